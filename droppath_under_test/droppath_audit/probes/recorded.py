"""Recordings: which cases they allow, and the mask decisions that can be read off them.

x is arbitrary here. A decision is read where x is finite and normal (and not lost in a shortcut): y is then zero (the
shortcut) if the decision was to drop, and anything else if it was to keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.recording import RECORDED
from droppath_audit.stats.design import NOTHING
from droppath_reference.law import round_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import Block, BlockFacts, Recording

    Floats = npt.NDArray[np.float64]
    Masks = npt.NDArray[np.bool_]

CHUNK = 2**20  # elements that are looked at together
SEE = {0.0: "DP002", 1.0: "DP301"}  # where outputs that are NaN are judged; DP201 elsewhere


def interior(block: BlockFacts) -> bool:
    """Return whether the block was made in training, at a drop_prob at which samples are both kept and dropped.

    A drop_prob below 2^-54 is none: its keep_prob is 1, and there is nothing that decisions could depend on.
    """
    return block.training and 0.0 < 1.0 - block.drop_prob < 1.0


def per_cell(blocks: Sequence[BlockFacts], effort: Effort, *, by_batch: bool = False) -> Iterator[Case]:
    """Yield a case for each dtype and drop_prob of these blocks, or for each batch size of them."""
    cells: dict[tuple[int, float, int], list[BlockFacts]] = {}
    for block in blocks:
        key = DTYPES.index(block.dtype), block.drop_prob, block.shape[0] if by_batch else 0
        cells.setdefault(key, []).append(block)
    for (dtype, drop_prob, batch), found in sorted(cells.items(), key=lambda cell: cell[0]):
        case = Case(RECORDED, DTYPES[dtype], drop_prob, effort=effort, blocks=tuple(found))
        yield replace(case, variant=f"batch{batch}") if by_batch else case


def per_dtype(blocks: Sequence[BlockFacts], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype of these blocks."""
    for dtype in DTYPES:
        found = tuple(block for block in blocks if block.dtype == dtype)
        if found:
            yield Case(RECORDED, dtype, effort=effort, blocks=found)


NOT_INTERIOR = "the recording has no calls in training at a drop_prob inside (0, 1)"
NO_WHOLE_CALLS = "the recording has no calls with several decisions that can all be read, at a drop_prob inside (0, 1)"


def interior_cells(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield the cells in which samples are both kept and dropped, and decisions can be read."""
    return (case for case in per_cell([block for block in blocks if interior(block)], effort) if case.decisions)


def whole_calls(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield, for each such cell and batch size, the calls of several decisions that can all be read."""
    found = [block for block in blocks if interior(block) and block.width > 1 and block.whole]
    return per_cell(found, effort, by_batch=True)


def resolved(discrepancy: float) -> float:
    """Return what a planning twin found, inf where that is nothing."""
    return math.inf if discrepancy >= NOTHING else discrepancy


class Chunk(NamedTuple):
    """Some calls of one block, exactly, in arrays of shape (calls, batch, elements of a sample).

    y is rounded to x's dtype: a layer that widens it breaks DP005 and nothing else. ``base`` is what a dropped element
    comes back as: zeros, or the shortcut. ``stored`` is x as the file has it.
    """

    facts: BlockFacts
    first: int
    x: Floats
    y: Floats
    base: Floats
    readable: Masks
    gradient: Floats | None
    stored: npt.NDArray[Any]

    def grouped(self, array: npt.NDArray[Any], granularity: str) -> npt.NDArray[Any]:
        """Return the elements of shape (calls, decisions, elements of a decision)."""
        calls, batch, size = array.shape
        return array.reshape(calls, *{"sample": (batch, size), "batch": (1, -1), "element": (-1, 1)}[granularity])

    def decisions(self, granularity: str) -> tuple[Masks, Masks]:
        """Return which decisions kept, and which can be read, of shape (calls, decisions).

        That the elements of one decision agree is DP104's to show; the first that can be read speaks for them.

        Raises:
            NotApplicable: If an output is NaN where a decision would be read.
        """
        readable = self.grouped(self.readable, granularity)
        y, base = self.grouped(self.y, granularity), self.grouped(self.base, granularity)
        first = readable.argmax(axis=2)[:, :, None]
        seen: Masks = np.any(readable, axis=2)
        values = np.take_along_axis(y, first, axis=2)[:, :, 0]
        if np.isnan(values[seen]).any():
            see = SEE.get(self.facts.drop_prob, "DP201")
            raise NotApplicable(f"outputs are NaN for finite x, and no decision can be read from them (see {see})")
        return values != np.take_along_axis(base, first, axis=2)[:, :, 0], seen


def exact(stored: npt.NDArray[Any], dtype: str) -> Floats:
    """Return stored values as float64; bfloat16 is stored as its bit patterns."""
    if dtype == "bfloat16":
        stored = (stored.astype("<u4") << 16).view("<f4")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(np.float64)


def blocks_of(recording: Recording, case: Case) -> Iterator[Block]:
    """Yield the blocks that a case looks at, each layer's in the order of its calls."""
    wanted = {block.index for block in case.blocks}
    found = [block for block in recording.blocks if block.facts.index in wanted]
    return iter(sorted(found, key=lambda block: (block.facts.layer, block.facts.call)))


def chunks(recording: Recording, case: Case) -> Iterator[Chunk]:
    """Yield the calls that a case looks at, a bounded number of elements at a time."""
    for block in blocks_of(recording, case):
        facts = block.facts
        calls, batch = block.y.shape[:2]
        size = math.prod(facts.shape[1:])
        step = max(1, CHUNK // (batch * size))
        for start in range(0, calls, step):
            stop = min(calls, start + step)
            shape = (stop - start, batch, size)

            def part(array: npt.NDArray[Any], shape: tuple[int, ...] = shape, start: int = start) -> npt.NDArray[Any]:
                some = array if len(array) == 1 else array[start : start + shape[0]]
                return np.broadcast_to(some.reshape(len(some), *shape[1:]), shape)

            y = exact(part(block.y), facts.output_dtype)
            yield Chunk(
                facts,
                facts.call + start,
                exact(part(block.x), facts.dtype),
                y if facts.output_dtype == facts.dtype else round_to(y, facts.dtype),
                np.zeros(shape) if block.shortcut is None else exact(part(block.shortcut), facts.dtype),
                part(block.readable),
                None if block.gradient is None else exact(part(block.gradient), facts.dtype),
                part(block.x),
            )


def count(recording: Recording, case: Case) -> tuple[int, int]:
    """Return how many decisions kept, and how many there are.

    Raises:
        NotApplicable: If an output is NaN where a decision would be read.
    """
    kept = decisions = 0
    for chunk in chunks(recording, case):
        mask, seen = chunk.decisions(case.dialect.granularity)
        kept, decisions = kept + int(np.count_nonzero(mask & seen)), decisions + int(np.count_nonzero(seen))
    return kept, decisions


@dataclass(frozen=True)
class Run:
    """Masks of successive calls of one layer, of shape (calls, decisions); calls that cannot be read end a run.

    ``first`` is the index of the first of them among the calls of the layer.
    """

    layer: str
    masks: Masks
    first: int


def runs(recording: Recording, case: Case) -> list[Run]:
    """Return the masks that a case looks at, in order.

    Raises:
        NotApplicable: If an output is NaN where a decision would be read.
    """
    found: list[tuple[str, int, list[Masks]]] = []  # layer, index of the next call, masks
    for chunk in chunks(recording, case):
        mask, seen = chunk.decisions(case.dialect.granularity)
        whole: Masks = np.all(seen, axis=1)
        starts = np.flatnonzero(whole & ~np.concatenate([[False], whole[:-1]]))
        ends = np.flatnonzero(whole & ~np.concatenate([whole[1:], [False]])) + 1
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            call = chunk.first + start
            last = found[-1] if found else None
            if last is None or last[:2] != (chunk.facts.layer, call) or last[2][-1].shape[1] != mask.shape[1]:
                found.append((chunk.facts.layer, call, []))
            layer, _, masks = found.pop()
            found.append((layer, chunk.first + end, [*masks, mask[start:end]]))
    return [Run(layer, joined, end - len(joined)) for layer, end, masks in found for joined in [np.concatenate(masks)]]


def script(case: Case, code: Code, each: Sequence[str], after: Sequence[str], *, before: Sequence[str] = ()) -> str:
    """Return a script that reads ``x`` and ``y`` block by block, as float64 of shape (calls, batch, …), and asserts.

    Args:
        case: What the script looks at.
        code: How the file is read.
        each: Lines for every block; ``dropped`` is what a dropped element of y comes back as.
        after: Lines that follow.
        before: Lines that come first.
    """
    numbers = repr([block.index for block in case.blocks])
    if code.recording == "calls":  # a number stands for a line there, and a block for several
        ranges = [f"range({block.index}, {block.index + block.calls})" for block in case.blocks]
        numbers = ranges[0] if len(ranges) == 1 else f"[{', '.join(f'*{text}' for text in ranges)}]"
    dropped = "read(f'shortcut.{block}')" if case.dialect.form == "residual" else "0"
    return "\n".join([
        *code.imports,
        *before,
        f"for block in {numbers}:",
        f"    x, y, dropped = read(f'x.{{block}}'), read(f'y.{{block}}'), {dropped}",
        *(f"    {line}" for line in each),
        *after,
    ])  # fmt: skip


def dtype_script(case: Case) -> str:
    """Return a script with the dtypes of y that the recording names; which they were is not lost in reading."""
    dtypes = sorted({block.output_dtype for block in case.blocks})
    return f"outputs = {dtypes!r}  # of y in the recording, for x of {case.dtype}\nassert outputs == [{case.dtype!r}]"


SHAPE = {"sample": "*y.shape[:2], -1", "batch": "len(y), 1, -1", "element": "len(y), -1, 1"}
"""What gives an array the axes calls, decisions and elements of a decision, in a script."""


def mask_lines(case: Case, *, weigh: bool = False, group: Sequence[str] = ()) -> list[str]:
    """Return lines that bind ``kept`` to the decisions of a block, of shape (calls, decisions) if all can be read.

    Args:
        case: What the script looks at.
        weigh: Whether to bind ``weight`` to the mean |x| of each decision as well.
        group: Lines that bind ``group``, of the shape of ``kept``, to what else is to be known of each decision.
    """
    shape = SHAPE[case.dialect.granularity]
    lines = [f"kept = (y != dropped).reshape({shape}).any(-1)"]
    if weigh:
        lines.append(f"weight = abs(np.broadcast_to(x, y.shape)).reshape({shape}).mean(-1)")
    lines += group
    beside = ["kept", *["weight"] * weigh, *["group"] * bool(group)]
    if case.decisions != sum(block.calls * block.width for block in case.blocks):
        lines += [
            f"seen = np.broadcast_to(x != 0, y.shape).reshape({shape}).any(-1)",
            f"{', '.join(beside)} = {', '.join(f'{name}[seen]' for name in beside)}"
            "  # where x is 0, nothing can be seen",
        ]
    return lines


def share_script(case: Case, code: Code) -> str:
    """Return a script that fails where the share of kept ones is off by more than five standard deviations."""
    assert case.drop_prob is not None  # noqa: S101
    keep_prob = 1.0 - case.drop_prob
    width = 5.0 * (keep_prob * case.drop_prob / max(1, case.decisions)) ** 0.5
    each = [*mask_lines(case), "total, decisions = total + kept.sum(), decisions + kept.size"]
    after = [
        f"print('kept', total / decisions, 'where', {keep_prob!r}, 'was asked for')",
        f"assert abs(total / decisions - {keep_prob!r}) <= {width:.2g}  # five standard deviations",
    ]
    return script(case, code, each, after, before=["total = decisions = 0"])
