"""A rule: what one suite asserts, as a function of a target, and its windows, from which its power is computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from droppath_audit.core.errors import TargetRaised
from tools.rivals.harness import Harness

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.target import Target


class Rejected(Exception):
    """An assertion of the suite does not hold."""


def require(holds: object, what: str) -> None:
    """Reject the target unless an assertion holds.

    Raises:
        Rejected: With what was asserted.
    """
    if not holds:
        raise Rejected(what)


@dataclass(frozen=True)
class Window:
    """The counts that one statistical assertion accepts.

    Attributes:
        drop_prob: p that the layer is asked for.
        decisions: Independent decisions that are counted.
        accepts: Whether this many kept ones pass; true between two counts and false outside of them.
        times: How many windows like this, on fresh draws, one run of the suite looks through.
        start: A count that is accepted; the expected one where it is None.
    """

    drop_prob: float
    decisions: int
    accepts: Callable[[int], bool]
    times: int = 1
    start: int | None = None

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest count of kept decisions that are accepted."""
        middle = round(self.decisions * (1.0 - self.drop_prob)) if self.start is None else self.start
        if not self.accepts(middle):
            raise ValueError(f"{middle} kept of {self.decisions} should pass at drop_prob {self.drop_prob}")
        return self._edge(middle, 0), self._edge(middle, self.decisions)

    def _edge(self, inside: int, end: int) -> int:
        if self.accepts(end):
            return end
        outside = end
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            if self.accepts(middle):
                inside = middle
            else:
                outside = middle
        return inside

    def rejection(self, keep_prob: float) -> float:
        """Return the exact probability that one such window rejects decisions kept with ``keep_prob``."""
        from scipy.stats import binom

        low, high = self.bounds
        return float(binom.cdf(low - 1, self.decisions, keep_prob) + binom.sf(high, self.decisions, keep_prob))


@dataclass(frozen=True)
class Rule:
    """What one suite asserts of its layer.

    Attributes:
        name: The suite, and the test where there are several.
        source: Project, file and commit in which the test was read.
        asserts: What it asserts, in words.
        left_out: What it asserts beside, and why that is not asked here.
        granularities: Granularities of targets to which the test can be put.
        check: Drives a target through its harness and raises ``Rejected`` where an assertion does not hold.
        windows: Its statistical assertions. Several of one rule are taken to be independent.
    """

    name: str
    source: str
    asserts: str
    left_out: str
    granularities: tuple[str, ...]
    check: Callable[[Harness], None]
    windows: tuple[Window, ...] = ()

    def applies(self, target: Target) -> bool:
        """Return whether the suite's test can be put to a target of this dialect."""
        return target.dialect.granularity in self.granularities

    def rejection(self, target: Target, seed: int) -> str:
        """Return why the suite rejects a target; an empty text where it accepts it.

        Args:
            target: A target to which the rule applies.
            seed: Seed of the framework's generators and of random inputs. The suites fix theirs, at a value with which
                their own layer passes; for any other layer every seed is a fresh one.
        """
        with target.framework.scope():
            target.framework.seed(seed)
            try:
                self.check(Harness(target, seed))
            except Rejected as rejected:
                return str(rejected)
            except TargetRaised as raised:
                return f"raised {raised}"
            except (TypeError, ValueError) as error:
                return f"its output cannot be used: {error}"
        return ""

    def power(self, bias: float) -> float:
        """Return the probability that one run of the suite rejects a layer that is right but for its keep probability.

        Args:
            bias: What is added to keep_prob, at every drop_prob that the suite asks for; kept inside [0, 1].
        """
        accepted = 1.0
        for window in self.windows:
            keep_prob = min(1.0, max(0.0, 1.0 - window.drop_prob + bias))
            accepted *= (1.0 - window.rejection(keep_prob)) ** window.times
        return 1.0 - accepted
