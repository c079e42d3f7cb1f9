"""Fates: what became of x, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from droppath_audit.recordings.dtypes import decode
from droppath_reference.law import FLOAT32_ULP, FORMATS, kept_interval, multiplier, round_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from droppath_audit.core.case import Cell
    from droppath_audit.probes.calls import Calls

    Floats = npt.NDArray[np.float64]
    Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fates:
    """Outputs sorted by what became of x.

    An output is zero (a dropped one is its shortcut), kept (inside the hull of the legitimate roundings), leaked
    (neither, and smaller than half of x: a dropped value that is not zero) or misscaled (anything else, NaN included).

    Attributes:
        decisions: Decisions that can be read.
        zero: Those of which an element is zero.
        kept: Kept elements.
        leaked: Leaked ones.
        misscaled: Misscaled ones.
        ratios: Smallest and largest y/x of kept and misscaled elements; None where there are none.
        leak: x and y of one that leaked.
        misfit: x and y of one that is misscaled.
    """

    decisions: int
    zero: int
    kept: int
    leaked: int
    misscaled: int
    ratios: tuple[float, float] | None = None
    leak: tuple[float, float] | None = None
    misfit: tuple[float, float] | None = None


def added(low: Floats, high: Floats, base: Floats, dtype: str, *, rounded: bool) -> tuple[Floats, Floats]:
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
    every = decode(patterns if dtype == "bfloat16" else patterns.view("<f2"), dtype)
    return kept_interval(every, drop_prob, dtype, scaling=scaling)


class _Values(NamedTuple):
    """Chosen elements: x, y, y without its shortcut, and whether y is a legitimate kept value."""

    x: Floats
    y: Floats
    branch: Floats
    kept: Masks


def _values(calls: Calls, where: Masks, scaling: str) -> _Values:
    """Return the elements chosen, none of which is dropped."""
    p, dtype = calls.drop_prob, calls.dtype
    x, y, base = calls.x[where], calls.y[where], calls.base[where]
    branch, residual = y - base, bool(np.any(calls.base))
    if calls.bits is not None:
        least, most = _kept_table(p, dtype, scaling)
        bits = calls.bits[where]
        low, high = least[bits], most[bits]
    elif not residual and scaling == "inverted":
        # Within less than one float32 ulp of the exact value is within every hull that is no point.
        factor = multiplier(p, scaling)
        with np.errstate(over="ignore", invalid="ignore"):
            kept = np.abs(branch - x * factor) <= np.abs(x) * (factor * 0.9 * FLOAT32_ULP)
        doubtful = ~kept
        low, high = kept_interval(x[doubtful], p, dtype, scaling=scaling)
        kept[doubtful] = (low <= y[doubtful]) & (y[doubtful] <= high)
        return _Values(x, y, branch, kept)
    else:
        low, high = kept_interval(x, p, dtype, scaling=scaling)
    if residual:
        low, high = added(low, high, base, dtype, rounded=False)
    return _Values(x, y, branch, (low <= y) & (y <= high))


def fates(found: Iterable[Calls], at: Cell) -> Fates:
    """Sort the outputs of calls by what became of x."""
    decisions = zero = kept = leaked = misscaled = 0
    leak = misfit = None
    ratios: list[float] = []
    for calls in found:
        dropped = calls.y == calls.base
        decisions += int(np.count_nonzero(calls.grouped(calls.readable).any(axis=2)))
        zero += int(np.count_nonzero(calls.grouped(dropped & calls.readable).any(axis=2)))
        values = _values(calls, calls.readable & ~dropped, at.dialect.scaling)
        leaks = ~values.kept & (np.abs(values.branch) < np.abs(values.x) / 2)
        misfits = ~values.kept & ~leaks
        kept, leaked, misscaled = (
            total + int(np.count_nonzero(chosen))
            for total, chosen in ((kept, values.kept), (leaked, leaks), (misscaled, misfits))
        )
        leak, misfit = leak or _example(values, leaks), misfit or _example(values, misfits)
        scale = values.branch[~leaks] / values.x[~leaks]
        if scale.size:
            ratios += [float(np.min(scale)), float(np.max(scale))]
    extremes = (min(ratios), max(ratios)) if ratios else None
    return Fates(decisions, zero, kept, leaked, misscaled, extremes, leak, misfit)


def _example(values: _Values, chosen: Masks) -> tuple[float, float] | None:
    return (float(values.x[chosen][0]), float(values.branch[chosen][0])) if chosen.any() else None


def factors(calls: Calls, scaling: str) -> tuple[Floats, Masks]:
    """Return what each decision multiplied x by, 0 where it dropped, and which can be read; (calls, decisions).

    For x = 1 the factor of a kept value is seen exactly; for another x, y/x is rounded once more. A value inside its
    hull therefore counts as the nearest factor that 1 may have, and one outside as y/x.

    Raises:
        NotApplicable: If an output is NaN where a decision would be read.
    """
    decided = calls.decisions()
    kept, seen = decided.kept, decided.seen
    readable = calls.grouped(calls.readable)
    read = np.zeros(readable.shape, np.bool_)
    np.put_along_axis(read, readable.argmax(axis=2)[:, :, None], (kept & seen)[:, :, None], axis=2)
    values = _values(calls, read.reshape(calls.x.shape), scaling)
    least, most = (float(end) for end in kept_interval(1.0, calls.drop_prob, calls.dtype, scaling=scaling))
    found = np.zeros(kept.shape)
    found[kept & seen] = np.where(values.kept, np.clip(values.branch / values.x, least, most), values.branch / values.x)
    return found, seen
