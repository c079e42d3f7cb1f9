"""DP205 overflow: a kept sample is finite where x/keep_prob is a number; a dropped one is zero even where it is none.

What it checks
    Three kinds of x. Those up to 0.97 of the largest number for which x/keep_prob can be represented: no output may
    be infinite or NaN. Those for which x/keep_prob overflows: a kept sample is legitimately infinite, but none may be
    NaN, which is what infinity times a mask of zero gives. And in float16 a keep_prob of 2^-17, whose inverse is not a
    number of float16 while x/keep_prob is: no output may be infinite or NaN. Without scaling, x itself takes the
    place of x/keep_prob. In residual forms the shortcut is all ones.
Why it matters
    Half-precision activations do reach the largest number, 65504 in float16. Loss scaling skips a step that overflows;
    a NaN from a sample that was meant to be dropped is not what it expects, and one of these a step stops training.
How to fix
    Select before scaling (where(mask, x, 0) / keep_prob), and divide by keep_prob rather than multiply by anything
    larger than x first, or by 1/keep_prob in the dtype of x.
Seen in
    x.div(keep_prob) * mask, as in transformers, mmcv and Paddle: NaN in float16 for |x| above 65504 keep_prob.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells, Joined
from droppath_audit.core.level import Level
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.scripts import LiveScript
from droppath_reference.law import FORMATS, multiplier, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.calls import Calls
    from droppath_audit.scripts.script import Script

    Floats = npt.NDArray[np.float64]

RARE = 1.0 - 2.0**-17  # the inverse of its keep_prob, 131072, is no number of float16
BATCH, SEVERAL = 256, 4  # SEVERAL samples where all of a batch share a decision
FITS = 0.97  # of the largest: what three roundings of a bfloat16 number cannot push over the edge
ADDED = 0.02  # of the largest: a shortcut that does not bring back what overflowed
CALLS_PER_DECISION = 128  # where a call is one decision: 0.9^128 = 1e-6 of never seeing one of the fates
RARE_BATCH = 2**16
Kind = Literal["fits", "overflows", "factor"]
PROMISED: dict[Kind, str] = {
    "fits": "finite where x/keep_prob is",
    "overflows": "0 where dropped, infinite where kept",
    "factor": "finite where x/keep_prob is, though 1/keep_prob is not",
}


@dataclass(frozen=True)
class Magnitude:
    """Outputs for |x| between two bounds: all elements, broken ones, kept ones, and x and y of a broken one."""

    kind: Kind
    low: float
    high: float
    elements: int = 0
    broken: int = 0
    kept: int = 0
    example: tuple[float, float] | None = None


@dataclass(frozen=True)
class Seen:
    """What was seen in each situation, and the features of x."""

    situations: tuple[Magnitude, ...]
    features: tuple[int, ...]


class Overflow(Check[Seen, Cell]):
    level = Level.SHOULD
    where = Joined((Cells((0.1, 0.9)), Cells((RARE,), ("float16",))))
    recorded = Selection(  # whether x is large enough is not known yet
        interior, "cell", "the recording has no calls in training at a drop_prob inside (0, 1)"
    )
    mutants = (
        "floor_mask",
        "adds_what_it_subtracts",
        "scales_in_percent",
        "multiplies_by_the_batch_size",
        "factor_in_the_dtype_of_x",
        "unscales_what_it_scaled",
        "subtracts_from_the_sum",
    )

    def applicable(self, facts: Facts, at: Cell) -> str:
        """The rare keep_prob needs a factor to overflow, and more decisions than one a call affords."""
        if at.drop_prob != RARE:
            return super().applicable(facts, at)
        if facts.dialect.scaling != "inverted":
            return "without a division by keep_prob there is no 1/keep_prob"
        return "one decision a call meets too few kept ones" if facts.dialect.granularity == "batch" else ""

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Sort the outputs of each situation by what they are."""
        at, situations = probe.at, _situations(probe.at)
        batch, number = (SEVERAL, CALLS_PER_DECISION) if at.per_call else (BATCH, at.effort.pick(2, 4, 16))
        if at.drop_prob == RARE:
            batch, number = RARE_BATCH, at.effort.pick(32, 32, 128)
        requests = [
            Request(batch, partial(_between, situation.low, situation.high), shortcut=1.0)
            for situation in situations for _ in range(number)
        ]  # fmt: skip
        features: tuple[int, ...] = ()
        for calls in probe.calls(*requests):
            features = calls.shape[1:]
            if at.blocks:
                situations = [_looked_at(seen, calls, _belongs(seen, calls, at)) for seen in situations]
            else:
                asked = calls.first // number
                situations[asked] = _looked_at(situations[asked], calls, np.ones(calls.x.shape, np.bool_))
        found = tuple(seen for seen in situations if seen.elements and (seen.kept or seen.kind != "factor"))
        if not found:
            low = min(seen.low for seen in situations)
            raise NotApplicable(
                f"no recorded x is as large as {low:.3g}, or none of these was kept"
                if at.blocks
                else "no sample was kept at a keep_prob of 2^-17 (see DP103)"
            )
        return Seen(found, features)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail on a single output that is not finite, or NaN where infinity is legitimate."""
        broken = [(situation, situation.example) for situation in seen.situations if situation.example is not None]
        if broken:
            observed = [
                f"{one.broken} of {one.elements} outputs, such as {y:.6g} for x = {x:.6g}" for one, (x, y) in broken
            ]
            return Verdict.failed("; ".join(observed), promised="; ".join(PROMISED[one.kind] for one, _ in broken))
        total = sum(situation.elements for situation in seen.situations)
        return Verdict.passed(f"{total} outputs for x up to {seen.situations[-1].high:.6g}")

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Run the first situation that went wrong, all x alike; or look at the recorded x that belong to it."""
        first = next(situation for situation in seen.situations if situation.broken)
        sound = "not np.isnan({}).any()" if first.kind == "overflows" else "np.isfinite({}).all()"
        if not isinstance(script, LiveScript):
            largest, factor = FORMATS[at.dtype].largest, multiplier(at.drop_prob, at.dialect.scaling)
            added = f"abs({script.dropped})"
            small = f"{added} <= {ADDED * largest!r}" if first.kind == "overflows" else (
                f"abs(xs) <= {first.high!r} - {added} / {factor!r}"
            )  # fmt: skip
            script.each(
                f"large = np.isfinite(xs) & (abs(xs) >= {first.low!r}) & ({small})",
                "large = np.broadcast_to(large, ys.shape)",
                f"assert {sound.format('ys[large]')}, np.unique(ys[large])[-8:].tolist()",
                xs=True,
            )
            return
        x = first.high if first.kind == "fits" else 0.5 * first.low + 0.5 * first.high
        shape = (SEVERAL if at.per_call else RARE_BATCH if at.drop_prob == RARE else BATCH, *seen.features)
        script.layer(at.drop_prob)
        script.from_array(f"np.full({shape!r}, {x!r})", shape)
        # The rare keep_prob is to meet 32 kept samples; of the others one call shows both fates.
        calls = CALLS_PER_DECISION if at.per_call else (64 if first.kind == "factor" else 4)
        with script.under(f"for _ in range({calls}):"):
            script.add(
                f"ys = {script.array(script.call(at.drop_prob))}",
                f"assert {sound.format('ys')}, np.unique(ys)[-8:].tolist()",
            )


def _situations(at: Cell) -> list[Magnitude]:
    """Return the situations that the cell allows, with nothing seen in them yet."""
    if at.drop_prob == RARE and not at.blocks:
        return [Magnitude("factor", 0.0625, 0.25)]
    largest, factor = FORMATS[at.dtype].largest, multiplier(at.drop_prob, at.dialect.scaling)
    kind: Kind = "factor" if factor > largest else "fits"
    found = [Magnitude(kind, 0.5 * FITS * largest / factor, FITS * largest / factor)]
    # Below a factor of 1.05 there is no room between what overflows and the largest number.
    return [*found, Magnitude("overflows", 1.05 / factor * largest, largest)] if factor > 1.05 else found


def _between(low: float, high: float, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Floats:
    """Return numbers of either sign whose magnitudes lie between two bounds."""
    magnitude = low + (high - low) * rng.random(shape)
    return round_to(magnitude * rng.choice([-1.0, 1.0], shape), dtype)


def _belongs(situation: Magnitude, calls: Calls, at: Cell) -> npt.NDArray[np.bool_]:
    """Return which recorded x belong to a situation; a shortcut may neither fill its room nor undo its overflow."""
    x, base = np.abs(calls.x), np.abs(calls.base)
    if situation.kind == "overflows":
        small = base <= ADDED * FORMATS[at.dtype].largest
    else:
        small = x <= situation.high - base / multiplier(at.drop_prob, at.dialect.scaling)
    return np.asarray((x >= situation.low) & small & np.isfinite(x))


def _looked_at(situation: Magnitude, calls: Calls, where: npt.NDArray[np.bool_]) -> Magnitude:
    """Return a situation with these outputs added."""
    x, y = calls.x[where], calls.y[where]
    broken = np.isnan(y) if situation.kind == "overflows" else ~np.isfinite(y)
    example = (float(x[broken][0]), float(y[broken][0])) if broken.any() else None
    return replace(
        situation,
        elements=situation.elements + y.size,
        broken=situation.broken + int(np.count_nonzero(broken)),
        kept=situation.kept + int(np.count_nonzero(y != calls.base[where])),
        example=situation.example or example,
    )
