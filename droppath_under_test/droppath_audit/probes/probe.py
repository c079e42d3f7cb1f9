"""The probe: what a check may ask, whoever answers.

A live probe (``probes.live``) drives a target; a recorded one (``probes.recorded``) answers from what was written down.
Both answer in the same words. What a live probe is asked for it draws: so many calls with so many samples. A recording
has the calls that it has, whatever is asked for, and its case says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from droppath_audit.core.case import AnyCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from droppath_audit.probes.calls import Calls, Decisions, Refused
    from droppath_audit.probes.comparing import Compared
    from droppath_audit.probes.counting import Counts
    from droppath_audit.probes.instances import Instances

Draw = Callable[["np.random.Generator", tuple[int, ...], str], "npt.NDArray[np.float64]"]
"""``(rng, shape, dtype) -> x``: numbers of the dtype."""

Case_co = TypeVar("Case_co", bound=AnyCase, covariant=True)


@dataclass(frozen=True)
class Request:
    """Calls that a live probe is to make.

    Attributes:
        batch: Samples of a call.
        values: What x holds.
        calls: How many, all with the same x.
        wide: Ask for several features a sample rather than one.
        shortcut: What every element of a residual form's shortcut is.
        evaluated: Call the layer once in evaluation before the backward pass.
        changed: Give the layer this drop_prob before the backward pass; a layer that cannot be given one is not asked.
        elements: Make the batch smaller where x would have more elements than this; 0 for any number.
    """

    batch: int
    values: Draw
    calls: int = 1
    wide: bool = False
    shortcut: float = 0.0
    evaluated: bool = False
    changed: float | None = None
    elements: int = 0


class Probe(Protocol[Case_co]):
    """Questions that a target and a recording both answer."""

    @property
    def at(self) -> Case_co:
        """Where the check runs; ``at.blocks`` is what a recording holds for it."""

    def count(self) -> Counts:
        """Return counts of decisions at the cell, drawn until the trial's stopping rule has seen enough."""

    def frequencies(self, sizes: Mapping[float, int], *, declared: bool = False) -> list[Counts]:
        """Return counts of decisions at each drop_prob, as many as are asked for.

        On the smallest samples that a target takes, or on those that its SPEC declares.
        """

    def decisions(self, calls: int, batch: int, *, share: float = 0.5) -> list[Decisions]:
        """Return decisions of successive calls at the cell, in order; a later question gets later calls.

        Of a target these are fewer where they would take more than a share of the time that the trial has left.

        Raises:
            TimeRanOut: If the effort's time is up before.
            NotApplicable: If an output is NaN where a decision would be read.
        """

    def afresh(self, seen: list[Decisions], calls: int, batch: int) -> list[Decisions]:
        """Return decisions that have not been looked at; those of a recording, which has no others, once more."""

    def multiplicity(self, looked_at: int) -> int:
        """Return by what a p-value on ``afresh`` decisions is multiplied, when so many relations were searched.

        1 where they are fresh. Where the same decisions were searched, every relation that was looked at counts.
        """

    def by_batch(self, calls: Mapping[int, int]) -> tuple[list[Decisions], dict[int, str]]:
        """Return decisions in batches of each size, and what the target raised at those where it did."""

    def instances(self, calls: int, batch: int) -> Instances:
        """Return decisions of several layers of one kind that are called in turn."""

    def calls(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Yield calls in training, at the cell's drop_prob or at this one.

        Raises:
            ChangedShape: If an output has another shape than x.
        """

    def by_features(
        self, request: Request, features: Sequence[tuple[int, ...]], drop_prob: float
    ) -> Iterator[Calls | Refused]:
        """Yield calls in training with samples of each of these features, or why a target does not take those.

        A recording has the features and the drop_probs that it has.
        """

    def gradients(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Yield such calls with their gradients, for random cotangents; in a recording the cotangent is ones."""

    def compare(self, *requests: Request, training: bool, drop_prob: float | None = None) -> Compared:
        """Compare outputs with what a layer that neither drops nor scales leaves: x, or shortcut plus x, bit for bit.

        In evaluation with scaling ``eval`` it is keep_prob times x, up to rounding.
        """
