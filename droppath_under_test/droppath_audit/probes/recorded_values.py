"""Recordings: what became of x, value by value."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from droppath_audit.probes.recorded import blocks_of, chunks, exact
from droppath_reference.law import FLOAT32_ULP, FORMATS, evaluation_interval, kept_interval, multiplier, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.core.recording import Block, Recording
    from droppath_audit.probes.recorded import Chunk, Floats, Masks

EXAMPLES = 3


def _added(low: Floats, high: Floats, base: Floats, dtype: str, *, rounded: bool) -> tuple[Floats, Floats]:
    """Return the hull of shortcut plus a value of [low, high]; one that is not ``rounded`` before may be fused."""
    ulp = 0.0 if rounded else 2.0 ** (1 - FORMATS[dtype].precision)
    with np.errstate(invalid="ignore", over="ignore"):
        # Where the division overflowed nothing moves: inf - inf would be no bound.
        least, most = (np.where(np.isfinite(end), np.abs(end) * ulp, 0.0) for end in (low, high))
        return round_to(base + low - least, dtype), round_to(base + high + most, dtype)


@lru_cache(maxsize=8)
def _kept_table(drop_prob: float, dtype: str, scaling: str) -> tuple[Floats, Floats]:
    """Return the hull of a kept value for every bit pattern of a 16-bit dtype; rounding millions of x takes longer."""
    patterns = np.arange(2**16).astype("<u2")
    every = exact(patterns if dtype == "bfloat16" else patterns.view("<f2"), dtype)
    return kept_interval(every, drop_prob, dtype, scaling=scaling)


def _surely_kept(x: Floats, branch: Floats, case: Case) -> Masks:
    """Return where a value lies within less than one float32 ulp of the exact one, and so within every hull."""
    assert case.drop_prob is not None  # noqa: S101
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.abs(branch - x * factor) <= np.abs(x) * (factor * 0.9 * FLOAT32_ULP))


class _Values(NamedTuple):
    """Chosen elements: x, y, y without its shortcut, and whether y is a legitimate kept value."""

    x: Floats
    y: Floats
    branch: Floats
    kept: Masks


def _values(chunk: Chunk, where: Masks, case: Case) -> _Values:
    """Return the elements chosen, none of which is dropped."""
    facts, scaling = chunk.facts, case.dialect.scaling
    x, y, base = chunk.x[where], chunk.y[where], chunk.base[where]
    branch = y - base
    if chunk.stored.itemsize == 2:
        least, most = _kept_table(facts.drop_prob, facts.dtype, scaling)
        bits = _bits(chunk.stored)[where]
        low, high = least[bits], most[bits]
    elif not facts.shortcut:
        kept = _surely_kept(x, branch, case)
        doubtful = ~kept
        low, high = kept_interval(x[doubtful], facts.drop_prob, facts.dtype, scaling=scaling)
        kept[doubtful] = (low <= y[doubtful]) & (y[doubtful] <= high)
        return _Values(x, y, branch, kept)
    else:
        low, high = kept_interval(x, facts.drop_prob, facts.dtype, scaling=scaling)
    if facts.shortcut:
        low, high = _added(low, high, base, facts.dtype, rounded=False)
    return _Values(x, y, branch, (low <= y) & (y <= high))


def observe(recording: Recording, case: Case) -> dict[str, Any]:
    """Sort outputs by what became of x, as ``values.observe`` does for a target.

    Returns:
        ``decisions`` and ``zero`` of decisions; ``kept``, ``leaked`` and ``misscaled`` of elements, ratios, examples.
    """
    totals = {"decisions": 0, "zero": 0, "kept": 0, "leaked": 0, "misscaled": 0}
    examples: dict[str, list[list[float]]] = {"leaked": [], "misscaled": []}
    ratios: list[float] = []
    for chunk in chunks(recording, case):
        where = chunk.readable
        zero = chunk.y == chunk.base
        seen = chunk.grouped(where, case.dialect.granularity).any(axis=2)
        totals["decisions"] += int(np.count_nonzero(seen))
        totals["zero"] += int(np.count_nonzero(chunk.grouped(zero & where, case.dialect.granularity).any(axis=2)))
        x, _, branch, kept = _values(chunk, where & ~zero, case)
        leaked = ~kept & (np.abs(branch) < np.abs(x) / 2)
        misscaled = ~kept & ~leaked
        for name, chosen in (("kept", kept), ("leaked", leaked), ("misscaled", misscaled)):
            totals[name] += int(np.count_nonzero(chosen))
            if name in examples and len(examples[name]) < EXAMPLES:
                examples[name] += np.stack([x[chosen], branch[chosen]], axis=-1)[:EXAMPLES].tolist()
        scale = branch[kept | misscaled] / x[kept | misscaled]
        if scale.size:
            ratios += [float(np.min(scale)), float(np.max(scale))]
    return {**totals, "ratios": [min(ratios), max(ratios)] if ratios else [], "examples": examples}


def factors(chunk: Chunk, case: Case) -> tuple[Floats, Masks]:
    """Return what each decision multiplied x by, 0 where it dropped, and which can be read; (calls, decisions).

    For x = 1 the factor of a kept value is seen exactly; for another x, y/x is rounded once more. A value inside its
    hull therefore counts as the nearest factor that 1 may have, and one outside as y/x.
    """
    granularity = case.dialect.granularity
    mask, seen = chunk.decisions(granularity)
    readable = chunk.grouped(chunk.readable, granularity)
    read = np.zeros(readable.shape, np.bool_)
    np.put_along_axis(read, readable.argmax(axis=2)[:, :, None], (mask & seen)[:, :, None], axis=2)
    x, _, branch, kept = _values(chunk, read.reshape(chunk.x.shape), case)
    least, most = (
        float(end) for end in kept_interval(1.0, chunk.facts.drop_prob, chunk.facts.dtype, scaling=case.dialect.scaling)
    )
    found = np.zeros(mask.shape)
    found[mask & seen] = np.where(kept, np.clip(branch / x, least, most), branch / x)
    return found, seen


def compare_with_x(recording: Recording, case: Case, *, training: bool) -> dict[str, Any]:
    """Count elements that are not what a layer that neither drops nor scales leaves: x, or shortcut plus x.

    Where nothing is added, bytes are compared. In evaluation with scaling ``eval`` it is keep_prob times x.
    """
    differing = elements = 0
    example = None
    for block in blocks_of(recording, case):
        facts = block.facts
        if facts.output_dtype != facts.dtype:
            became = f"{facts.output_dtype}{list(facts.shape)}"
            return {"differing": block.y.size, "elements": block.y.size, "example": None, "became": became}
        elements += block.y.size
        if facts.shortcut or (case.dialect.scaling == "eval" and not training):
            continue
        wrong = _bits(block.y) != _bits(block.x)
        differing += int(np.count_nonzero(wrong))
        if example is None and wrong.any():
            example = _example(block, wrong)
    if case.dialect.form == "residual" or (case.dialect.scaling == "eval" and not training):
        for chunk in chunks(recording, case):
            scaling = "inverted" if training else case.dialect.scaling
            low, high = evaluation_interval(chunk.x, chunk.facts.drop_prob, chunk.facts.dtype, scaling=scaling)
            if chunk.facts.shortcut:
                low, high = _added(low, high, chunk.base, chunk.facts.dtype, rounded=scaling != "eval")
            wrong = ~(((low <= chunk.y) & (chunk.y <= high)) | (np.isnan(chunk.y) & np.isnan(low)))
            differing += int(np.count_nonzero(wrong))
            if example is None and wrong.any():
                example = [float(chunk.x[wrong][0]), float((chunk.y - chunk.base)[wrong][0])]
    return {"differing": differing, "elements": elements, "example": example}


def _bits(stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return stored.view(f"<u{stored.dtype.itemsize}")


def _example(block: Block, wrong: Masks) -> list[float]:
    where = np.unravel_index(int(wrong.argmax()), wrong.shape)
    x = np.broadcast_to(block.x, block.y.shape)
    return [float(exact(array[where][None], block.facts.dtype)[0]) for array in (x, block.y)]
