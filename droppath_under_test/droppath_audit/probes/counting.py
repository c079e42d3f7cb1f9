"""Counting decisions at the speed at which the target makes them.

x is all ones, so a kept element has one value; every element is counted as kept (exactly that value), dropped
(zero) or neither. Only counts leave the device.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Stopping
    from droppath_audit.frameworks.base import Target, Tensor

BATCH = 65_536
CALLS = 512  # outputs of granularity "batch" that are counted together
LARGEST = 2**22  # elements of one input, where the SPEC fixes large samples
DISTINCT = 8  # kept values remembered


@dataclass
class Counts:
    """What was counted.

    Attributes:
        decisions: Mask decisions seen.
        kept: Those that kept.
        other: Elements that are neither zero nor the value a kept element has in that call.
        kept_values: Values a kept one was seen to have, at most eight of them, in order of appearance.
        exhausted: Whether time ran out before enough was known.
    """

    decisions: int = 0
    kept: int = 0
    other: int = 0
    kept_values: list[float] = field(default_factory=list)
    exhausted: bool = False

    def to_evidence(self) -> dict[str, Any]:
        """Return the counts as evidence."""
        return {
            "decisions": self.decisions,
            "kept": self.kept,
            "other": self.other,
            "kept_values": self.kept_values,
            "exhausted": self.exhausted,
        }


class Sampler:
    """Draws decisions of one target at one case and counts them.

    Args:
        target: The target.
        case: Device, dtype and drop_prob.
        drop_prob: Overrides the case's.
    """

    def __init__(self, target: Target, case: Case, drop_prob: float | None = None) -> None:
        probability = case.drop_prob if drop_prob is None else drop_prob
        if probability is None or case.dtype is None:
            raise ValueError(f"decisions are drawn at a dtype and a drop_prob; {case.slug} lacks one")
        self._framework = target.framework
        self._layer = target.make(probability)
        self._per_call = case.dialect.granularity == "batch"
        self._dtype, self._device = case.dtype, case.device
        self._features = features(target, case.dtype, case.device)
        self._size = size = prod(self._features)
        # Elements that share a decision; that they agree is DP104's to show.
        self._elements = 1 if case.dialect.granularity == "element" else size
        self._decisions = size if case.dialect.granularity == "element" else 1
        self._batch = max(1, min(BATCH, LARGEST // size))
        self._deadline = time.monotonic() + case.effort.seconds
        self._inputs: dict[int, Tensor] = {}
        self._written: bool | None = None  # whether the target writes to its input; known after the first call
        self.counts = Counts()

    def draw_until(self, stopping: Stopping) -> Counts:
        """Draw until ``stopping`` has seen enough, its cap is reached, or the effort's time is up."""
        counts = self.counts
        while not stopping.settled(counts.kept, counts.decisions) and not counts.other:
            if time.monotonic() > self._deadline:
                counts.exhausted = True
                break
            self._draw(stopping.cap - counts.decisions)
        return counts

    def draw(self, decisions: int) -> Counts:
        """Draw this many decisions, or as many as the effort's time allows."""
        counts = self.counts
        while counts.decisions < decisions:
            if time.monotonic() > self._deadline:
                counts.exhausted = True
                break
            self._draw(decisions - counts.decisions)
        return counts

    def _draw(self, wanted: int) -> None:
        """Draw one batch, or one bundle of calls: at most as many decisions as wanted, but at least one sample's."""
        layer = self._layer
        if self._per_call:
            batch, calls = 1, 1 if self._written is None else min(CALLS, wanted)
        else:
            batch, calls = max(1, min(self._batch, wanted // self._decisions)), 1
        outputs = [layer(self._input(batch), training=True) for _ in range(calls)]
        if self._written is None:
            x = self._inputs[batch]
            self._written = self._framework.count([x], 1.0).kept != self._framework.info(x).shape[0] * self._size
        self._count(outputs, calls * batch * (1 if self._per_call else self._decisions))

    def _input(self, batch: int) -> Tensor:
        """Return ones; the same tensor every time, unless the target was seen to write to it (see DP004)."""
        x = self._inputs.get(batch)
        if x is None or self._written:
            x = self._inputs[batch] = self._framework.ones((batch, *self._features), self._dtype, self._device)
        return x

    def _count(self, outputs: Sequence[Tensor], decisions: int) -> None:
        counts, framework = self.counts, self._framework
        known = counts.kept_values
        seen = framework.count(outputs, known[-1] if known else 1.0)
        if seen.other or (seen.kept and not known):
            # An unknown kept value: that of the first element kept in these calls.
            value = next((v for v in (framework.first_nonzero(y) for y in outputs) if v != 0.0), 0.0)
            if value not in known and len(known) < DISTINCT:
                known.append(value)
            seen = framework.count(outputs, value)
        counts.decisions += decisions
        counts.kept += round((seen.kept + seen.other) / self._elements)
        counts.other += seen.other
