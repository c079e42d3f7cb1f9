"""The recorded probe: it answers from calls that were made elsewhere.

x is arbitrary here. A decision is read where x is finite and normal (and not lost in a shortcut): y is then zero (the
shortcut) if the decision was to drop, and anything else if it was to keep.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.recording import RECORDED
from droppath_audit.probes.calls import Calls, runs
from droppath_audit.probes.comparing import Compared
from droppath_audit.probes.counting import Counts
from droppath_audit.probes.fates import added, factors
from droppath_audit.probes.instances import of_recording
from droppath_audit.probes.probe import Case_co
from droppath_audit.recordings.dtypes import decode
from droppath_reference.law import evaluation_interval, round_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from droppath_audit.core.recording import Block, Recording
    from droppath_audit.probes.calls import Decisions, Refused
    from droppath_audit.probes.instances import Instances
    from droppath_audit.probes.probe import Request

TOGETHER = 2**20  # elements that are looked at together


class RecordedProbe(Generic[Case_co]):
    """Answers from a recording; see ``probes.probe.Probe``.

    Args:
        recording: The recording.
        at: Where the check runs, with the blocks that it looks at.
    """

    def __init__(self, recording: Recording, at: Case_co) -> None:
        self._recording, self._at = recording, at

    @property
    def at(self) -> Case_co:
        """Where the check runs."""
        return self._at

    def blocks(self) -> list[Block]:
        """Return the blocks that the case looks at, each layer's in the order of its calls."""
        wanted = {block.index for block in self._at.blocks}
        found = [block for block in self._recording.blocks if block.facts.index in wanted]
        return sorted(found, key=lambda block: (block.facts.layer, block.facts.call))

    def calls(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Yield every call that the case looks at, a bounded number of elements at a time."""
        for block in self.blocks():
            if drop_prob is None or block.facts.drop_prob == drop_prob:
                yield from self._parts(block)

    def _parts(self, block: Block) -> Iterator[Calls]:
        facts = block.facts
        batch, size = facts.shape[0], math.prod(facts.shape[1:])
        step = max(1, TOGETHER // (batch * size))
        for start in range(0, facts.calls, step):
            shape = (min(step, facts.calls - start), batch, size)

            def part(array: npt.NDArray[Any], shape: tuple[int, ...] = shape, start: int = start) -> npt.NDArray[Any]:
                some = array if len(array) == 1 else array[start : start + shape[0]]
                return np.broadcast_to(some.reshape(len(some), *shape[1:]), shape)

            stored, y = part(block.x), decode(part(block.y), facts.output_dtype)
            yield Calls(
                facts.shape,
                facts.dtype,
                facts.drop_prob,
                self._recording.dialect.granularity,
                decode(stored, facts.dtype),
                y if facts.output_dtype == facts.dtype else round_to(y, facts.dtype),
                np.zeros(shape) if block.shortcut is None else decode(part(block.shortcut), facts.dtype),
                part(block.readable),
                stored.view("<u2") if stored.itemsize == 2 else None,
                layer=facts.layer,
                first=facts.call + start,
                output_dtype=facts.output_dtype,
                gradient=None if block.gradient is None else decode(part(block.gradient), facts.dtype),
            )

    def by_features(
        self, request: Request, features: Sequence[tuple[int, ...]], drop_prob: float
    ) -> Iterator[Calls | Refused]:
        """Yield every call that the case looks at."""
        return self.calls()

    def gradients(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Yield every call, with its gradient for a cotangent of ones."""
        return self.calls(drop_prob=drop_prob)

    def count(self) -> Counts:
        """Count every decision that can be read."""
        kept = decisions = 0
        extremes: list[float] = []
        for calls in self.calls():
            decided = calls.decisions()
            kept, decisions = (total + more for total, more in zip((kept, decisions), decided.counts, strict=True))
            if calls.drop_prob < 1.0:
                found, _ = factors(calls, self._at.dialect.scaling)
            if calls.drop_prob < 1.0 and found.any():
                extremes += [float(found[found != 0.0].min()), float(found.max())]
        values = tuple(sorted({min(extremes), max(extremes)})) if extremes else ()
        return Counts(decisions, kept, kept_values=values)

    def frequencies(self, sizes: Mapping[float, int], *, declared: bool = False) -> list[Counts]:
        """Count every decision at each of these drop_probs."""
        return [self._at_cell(drop_prob).count() for drop_prob in sizes]

    def _at_cell(self, drop_prob: float) -> RecordedProbe[Cell]:
        blocks = tuple(block for block in self._at.blocks if block.drop_prob == drop_prob)
        cell = Cell(RECORDED, blocks[0].dtype, drop_prob, dialect=self._at.dialect, effort=self._at.effort)
        return RecordedProbe(self._recording, replace(cell, blocks=blocks))

    def decisions(self, calls: int, batch: int, *, share: float = 1.0) -> list[Decisions]:
        """Return all decisions, whatever is asked for."""
        return [part.decisions() for part in self.calls()]

    def afresh(self, seen: list[Decisions], calls: int, batch: int) -> list[Decisions]:
        """Return the same decisions: there are no others."""
        return seen

    def multiplicity(self, looked_at: int) -> int:
        """Return the number of relations that were looked at in the decisions that are tested."""
        return looked_at

    def by_batch(self, calls: Mapping[int, int]) -> tuple[list[Decisions], dict[int, str]]:
        """Return all decisions; nothing raises."""
        return self.decisions(0, 0), {}

    def instances(self, calls: int, batch: int) -> Instances:
        """Return the layers that were recorded."""
        return of_recording(runs(self.decisions(calls, batch)), self._at)

    def compare(self, *requests: Request, training: bool, drop_prob: float | None = None) -> Compared:
        """Compare every output with x; where nothing is added or scaled, bytes with bytes."""
        scaled = self._at.dialect.scaling == "eval" and not training
        differing = elements = 0
        example = None
        for block in self.blocks():
            facts = block.facts
            if facts.output_dtype != facts.dtype:
                became = f"{facts.output_dtype}{list(facts.shape)}"
                return Compared(block.y.size, block.y.size, became=became)
            elements += block.y.size
            by_value = facts.shortcut or scaled
            for calls in self._parts(block) if by_value else ():
                wrong = self._differ(calls, training=training)
                differing += int(np.count_nonzero(wrong))
                if example is None and wrong.any():
                    example = (float(calls.x[wrong][0]), float((calls.y - calls.base)[wrong][0]))
            if not by_value:
                wrong = _bits(block.y) != _bits(block.x)
                differing += int(np.count_nonzero(wrong))
                if example is None and wrong.any():
                    example = _example(block, wrong)
        return Compared(differing, elements, example)

    def _differ(self, calls: Calls, *, training: bool) -> npt.NDArray[np.bool_]:
        """Return where an output is not the shortcut plus x, or plus keep_prob times x in scaled evaluation."""
        scaling = "inverted" if training else self._at.dialect.scaling
        low, high = evaluation_interval(calls.x, calls.drop_prob, calls.dtype, scaling=scaling)
        if self._recording.dialect.form == "residual":
            low, high = added(low, high, calls.base, calls.dtype, rounded=scaling != "eval")
        within = ((low <= calls.y) & (calls.y <= high)) | (np.isnan(calls.y) & np.isnan(low))
        return np.asarray(~within)


def _bits(stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return stored.view(f"<u{stored.dtype.itemsize}")


def _example(block: Block, wrong: npt.NDArray[np.bool_]) -> tuple[float, float]:
    where = np.unravel_index(int(wrong.argmax()), wrong.shape)
    x = np.broadcast_to(block.x, block.y.shape)
    first, second = (float(decode(array[where][None], block.facts.dtype)[0]) for array in (x, block.y))
    return first, second
