"""Collected: what came back from running one trial, as plain data that can leave a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from droppath_audit.core.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.core.check import Design
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial


DIED, HUNG, OVERSIZED = "died", "hung", "oversized"  # ways in which a process ended before it answered


@dataclass(frozen=True)
class Collected:
    """Evidence, or the reason why there is none.

    Attributes:
        evidence: What was measured, as the wire writes the check's dataclass; None where one of the next three says why
            not.
        error: What went wrong: the target raised, crashed, hung, or was not run for that reason.
        not_applicable: Why the trial does not apply after all.
        inconclusive: Why what was promised could not be measured.
        traceback: Where the target raised, or the last words of a process that died.
        seconds: Time it took.
        stopped_by_time: Whether anything was cut short because time ran out: what was measured then, and it alone, may
            differ from one run to the next.
        decisions: Decisions that were drawn.
        smallest: Features of the smallest sample that the target takes, for scripts.
        ended: How the process ended before there was an answer: ``DIED``, ``HUNG`` or ``OVERSIZED``; empty where it
            answered.
        note: What a reader should know of how the answer came, such as that it is that of a second attempt.
    """

    evidence: dict[str, Any] | None = None
    error: str = ""
    not_applicable: str = ""
    inconclusive: str = ""
    traceback: str = ""
    seconds: float = 0.0
    stopped_by_time: bool = False
    decisions: int = 0
    smallest: tuple[int, ...] = (1,)
    ended: str = ""
    note: str = ""

    def qualified(self, verdict: Verdict, design: Design | None, *, sequential: bool) -> Verdict:
        """Return the verdict on this evidence with what time did to it.

        A failure is one on any number of decisions. A pass is none without the resolution that was promised; that of a
        sequential trial has it, whenever it ends.

        Args:
            verdict: The judge's.
            design: What the trial was to resolve; None for a deterministic one.
            sequential: Whether the trial ends when enough is known.
        """
        if not self.stopped_by_time or verdict.outcome not in (Outcome.PASS, Outcome.INCONCLUSIVE):
            return verdict
        if design is None:
            return replace(verdict, observed=f"{verdict.observed}; time ran out before all that was planned")
        if verdict.outcome is Outcome.PASS and sequential:
            return verdict
        reached = f"time ran out after {self.decisions:,} of about {design.decisions:,} decisions"
        if self.decisions:
            # A resolution goes with the root of the number of decisions.
            resolved = design.resolves * max(1.0, design.decisions / self.decisions) ** 0.5
            reached += f": about {resolved:.2g} resolved, not {design.resolves:.2g}"
        return Verdict.inconclusive(f"{reached}; {verdict.observed}", p_value=verdict.p_value)


class Collector(Protocol):
    """Runs trials on a loaded target, here or in another process."""

    @property
    def facts(self) -> Facts:
        """What was learned of the target."""

    def collect(
        self,
        trials: Sequence[Trial],
        *,
        known: Mapping[str, Collected] | None = None,
        note: Callable[[Trial, Collected], None] | None = None,
    ) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order.

        Args:
            trials: What to run.
            known: Answers of an earlier run, by the trial's id; these trials are not run.
            note: Called with each answer as it comes, which need not be in order.
        """
