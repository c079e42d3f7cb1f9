"""Counting decisions at the speed at which the target makes them.

x is all ones, so a kept element has one value; every element is counted as kept (exactly that value), dropped
(zero) or neither. Only counts leave the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import on_the_cpu
from droppath_audit.probes.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Stopping
    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.target import Layer

BATCH = 65_536
CALLS = 512  # outputs of granularity "batch" that are counted together
BUNDLE = 2**26  # elements of outputs that are counted together where the CPU would wait for each count
LARGEST = 2**22  # elements of one input, where the SPEC fixes large samples
DISTINCT = 8  # kept values remembered


@dataclass(frozen=True)
class Counts:
    """What was counted.

    Attributes:
        decisions: Mask decisions seen.
        kept: Those that kept.
        other: Elements that are neither zero nor the value a kept element has in that call.
        kept_values: Values a kept x = 1 was seen to have, at most eight of them, in order of appearance; of a recording
            the extremes of what kept x were multiplied by.
    """

    decisions: int = 0
    kept: int = 0
    other: int = 0
    kept_values: tuple[float, ...] = ()


class Sampler:
    """Draws decisions of one layer and counts them.

    Args:
        framework: Operations on its tensors.
        layer: The layer.
        case: Device and granularity.
        dtype: Dtype of x.
        features: Features of a sample.
        clock: The time that there is; by default the effort's, which runs from here.
        share: Part of the time that is left, which it may take.
        in_time: Returns as many samples of a call as it is asked about, or fewer where these would take too long.
    """

    def __init__(
        self,
        framework: Framework,
        layer: Layer,
        case: Case,
        dtype: str,
        features: tuple[int, ...],
        *,
        clock: Clock | None = None,
        share: float = 1.0,
        in_time: Callable[[int], int] | None = None,
    ) -> None:
        self._framework, self._layer, self._case = framework, layer, case
        self._dtype, self._features = dtype, features
        self._size = size = prod(features)
        # Elements that share a decision; that they agree is DP104's to show.
        self._elements = 1 if case.dialect.granularity == "element" else size
        self._decisions = size if case.dialect.granularity == "element" else 1
        self._batch, self._most = max(1, min(BATCH, LARGEST // size)), max(1, LARGEST // size)
        self._away = not on_the_cpu(case.device)
        self._in_time = in_time
        self._time = (Clock(case.effort.seconds) if clock is None else clock).part(share)
        self._inputs: dict[int, Tensor] = {}
        self._written: bool | None = None  # whether the target writes to its input; known after the first call
        self._known: list[float] = []  # kept values
        self._drawn = self._kept = self._other = 0
        self._bundle = 1  # calls whose outputs are counted together

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        return Counts(self._drawn, self._kept, self._other, tuple(self._known))

    def draw_until(self, stopping: Stopping) -> Counts:
        """Draw until ``stopping`` has seen enough, its cap is reached, or the effort's time is up."""
        while not stopping.settled(self._kept, self._drawn) and not self._other and self._has_time():
            self._draw(stopping.cap - self._drawn)
        return self.counts

    def draw(self, decisions: int) -> Counts:
        """Draw this many decisions, or as many as the effort's time allows."""
        while self._drawn < decisions and self._has_time():
            self._draw(decisions - self._drawn)
        return self.counts

    def _has_time(self) -> bool:
        return not self._time.over()

    def _draw(self, wanted: int) -> None:
        """Draw one batch, or one bundle of calls: at most as many decisions as wanted, but at least one sample's."""
        if self._case.per_call:
            batch, calls = 1, 1 if self._written is None else min(CALLS, wanted)
        else:
            batch, calls = max(1, min(self._batch, wanted // self._decisions)), 1
            batch = batch if self._in_time is None else self._in_time(batch)
            if self._away and self._known:
                calls = max(1, min(BUNDLE // (batch * self._size), wanted // (batch * self._decisions)))
                # Begun small, so that what stops soon costs little; then so large that the device has enough to do.
                calls, self._batch = min(calls, self._bundle), min(2 * self._batch, self._most)
                self._bundle *= 2
        outputs = [self._layer(self._input(batch), training=True) for _ in range(calls)]
        if self._written is None:
            x = self._inputs[batch]
            self._written = self._framework.count([x], 1.0).kept != self._framework.info(x).shape[0] * self._size
        decisions = batch * (1 if self._case.per_call else self._decisions)
        if self._away and calls > 1 and self._framework.count(outputs, self._known[-1]).other:
            for output in outputs:  # each has a kept value of its own
                self._count([output], decisions)
        else:
            self._count(outputs, calls * decisions)

    def _input(self, batch: int) -> Tensor:
        """Return ones; the same tensor every time, unless the target was seen to write to it (see DP004)."""
        x = self._inputs.get(batch)
        if x is None or self._written:
            x = self._framework.ones((batch, *self._features), self._dtype, self._case.device)
            self._inputs[batch] = x
        return x

    def _count(self, outputs: Sequence[Tensor], decisions: int) -> None:
        framework, known = self._framework, self._known
        seen = framework.count(outputs, known[-1] if known else 1.0)
        if seen.other or (seen.kept and not known):
            # An unknown kept value: that of the first element kept in these calls.
            value = next((v for v in (framework.first_nonzero(y) for y in outputs) if v != 0.0), 0.0)
            if value not in known and len(known) < DISTINCT:
                known.append(value)
            seen = framework.count(outputs, value)
        self._drawn += decisions
        self._kept += round((seen.kept + seen.other) / self._elements)
        self._other += seen.other
