"""DP206 non-finite-dropped: a dropped sample that holds inf or NaN comes back as zeros.

What it checks
    Every sample holds infinities of both signs and NaN beside ordinary numbers, which tell whether it was dropped.
    Everything in a dropped sample must be zero, no infinity may become NaN, and of elements that are decided one by
    one some NaN must come back zero (none of 64 does so by chance once in 2^64). With keep_prob = 0 all of it is
    zero. With a shortcut, a dropped sample is its shortcut. In a kept sample infinities and NaN must not become
    numbers.
Why it matters
    Dropping a branch is thought to take it out of the sum. Where it is multiplied by 0 instead, a branch that
    overflowed poisons the shortcut, and with it the whole network, in the very steps in which it was switched off.
    Where NaN is cleared in kept samples as well, nobody is told that the branch has overflowed: neither the loss nor
    a gradient scaler, which would skip the step.
How to fix
    Select: where(mask, x, 0) / keep_prob. A product of NaN, or of infinity, with 0 is NaN; do not mend it afterwards.
Seen in
    Every layer that multiplies by its mask: timm, torchvision, transformers, mmcv. flax selects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import AXES
from droppath_reference.law import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from droppath_audit.probes.calls import Calls
    from droppath_audit.scripts.script import Script

BATCH, SEVERAL, CALLS = 128, 3, 64  # SEVERAL samples, and CALLS calls, where a call is one decision
BITS = 64  # that many NaN, or decisions as unlikely, and none dropped: by chance once in 2^64
SPECIAL = (np.nan, np.inf, -np.inf)


@dataclass(frozen=True)
class Left:
    """What is left of infinities and NaN at one drop_prob.

    Attributes:
        drop_prob: p.
        judged: Such elements that are known to have been dropped.
        left: Those of them that are not zero.
        nan_of_inf: Infinities that became NaN.
        nan: NaN, where so many are not all kept by chance; otherwise 0.
        nan_to_zero: NaN that became zero.
        hidden: Infinities and NaN that became numbers, though they were kept.
    """

    drop_prob: float
    judged: int
    left: int
    nan_of_inf: int
    nan: int
    nan_to_zero: int
    hidden: int = 0

    @property
    def wrong(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        at = f" at drop_prob {self.drop_prob:g}"
        if self.left:
            return f"{self.left} of {self.judged} dropped elements are not zero{at}"
        if self.nan_of_inf:
            return f"{self.nan_of_inf} infinities became NaN{at}"
        if self.hidden:
            return f"{self.hidden} infinities and NaN that were kept became numbers{at}"
        return f"none of {self.nan} NaN became zero{at}" if self.nan >= BITS and not self.nan_to_zero else ""


@dataclass(frozen=True)
class Seen:
    """What was left at each drop_prob, and the shape of x."""

    found: tuple[Left, ...]
    shape: tuple[int, ...]


class NonFiniteDropped(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    recorded = Selection(
        lambda block: block.training and block.drop_prob > 0.0,
        "dtype",
        "the recording has no calls in training at a drop_prob other than 0",
    )
    mutants = (
        "floor_mask",
        "multiplies_by_its_mask",
        "subtracts_what_it_drops",
        "interpolates_towards_zero",
        "clears_nan_alone",
        "selects_only_below_one",
        "multiplies_the_dropped_rows",
        "makes_numbers_of_what_is_none",
        "clips_what_it_keeps",
    )

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Count what is left of infinities and NaN; a target is asked at drop_prob 0.5, and at 1 unless it refuses."""
        at = probe.at
        batch, number = (SEVERAL, CALLS) if at.per_call else (BATCH, at.effort.pick(2, 4, 32))
        values = partial(_special, at.dialect.granularity)
        requests = [Request(batch, values, wide=True, shortcut=1.0)] * number
        drop_probs, shape = tuple(dict.fromkeys(block.drop_prob for block in at.blocks)), tuple[int, ...]()
        if isinstance(probe, LiveProbe):
            drop_probs, shape = probe.accepted(0.5, 1.0), probe.shape(batch, wide=True)
        found = [_left(p, probe.calls(*requests, drop_prob=p)) for p in drop_probs]
        telling = tuple(seen for seen in found if seen.judged or seen.wrong or seen.nan >= BITS)
        if not telling:
            raise NotApplicable("no recorded x holds inf or NaN in a sample that is known to be dropped")
        return Seen(telling, shape)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on one element that is left of a dropped sample, or infinity or NaN that became something else."""
        observed = [one.wrong for one in seen.found if one.wrong]
        if observed:
            return Verdict.failed("; ".join(observed), promised="zero where dropped, and x/keep_prob where kept")
        judged, cleared = sum(one.judged for one in seen.found), sum(one.nan_to_zero for one in seen.found)
        return Verdict.passed(f"{judged} dropped elements are zero" if judged else f"{cleared} NaN became zero")

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Drop everything, or half, of what is all NaN, or all infinite; or look at what became of recorded ones."""
        first = next(one for one in seen.found if one.wrong)
        p = first.drop_prob
        if isinstance(script, LiveScript):
            script.imports("from math import inf, nan")
            script.layer(p)
            told = at.dialect.granularity != "element" and math.prod(seen.shape[1:]) > 1
            if (first.left or first.hidden) and p < 1.0 and told:
                script.add(
                    f"values = np.resize([nan, inf, -inf], {seen.shape!r})",
                    "values.reshape(len(values), -1)[:, 0] = 1  # which tells what became of the others",
                )
                script.from_array("values", seen.shape)
                with script.under(f"for _ in range({CALLS}):"):
                    script.add(f"xs, ys = {script.array('x')}.copy()[None], {script.array(script.call(p))}[None]")
                    script.add(*_remainders(at, script.dropped, kept=not first.left))
                return
            with script.under("for value in (nan, inf, -inf):"):
                script.from_array(f"np.full({seen.shape!r}, value)", seen.shape)
                script.add(
                    f"ys = np.stack([{script.array(script.call(p))} for _ in range({CALLS})])",
                    "print('of', value, 'comes', np.unique(ys[0]))",
                    "assert (~np.isfinite(ys) | (ys == 0)).all()"
                    if first.hidden
                    else f"assert (ys == 0).{'all' if p == 1.0 else 'any'}()",
                )
        elif first.left:
            script.each(*_remainders(at, script.dropped, everything=p == 1.0), drop_prob=p, xs=True)
        elif first.nan_of_inf:
            nan = f"np.isnan(ys) & np.isinf(xs) & np.isfinite({script.dropped})"
            script.each(f"assert not ({nan}).any()", drop_prob=p, xs=True)
        elif first.hidden:
            script.each(*_remainders(at, script.dropped, kept=True), drop_prob=p, xs=True)
        else:
            script.add("zeros = 0")
            script.each(f"zeros += ((ys == {script.dropped}) & np.isnan(xs)).sum()", drop_prob=p, xs=True)
            script.add("assert zeros")


def _special(granularity: str, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.float64]:
    """Return infinities and NaN; where the elements of a sample share a fate, the first is a number, which tells it."""
    values = moderate(rng, shape, dtype)
    telling = np.zeros(shape, dtype=np.bool_)
    telling.reshape(shape[0], -1)[:, 0] = values[0].size > 1 and granularity != "element"
    values[~telling] = np.resize(SPECIAL, np.count_nonzero(~telling))
    return values


def _left(drop_prob: float, found: Iterable[Calls]) -> Left:
    """Count what is left in decisions whose other elements show that they dropped; at drop_prob 1 in all."""
    judged = left = nan_of_inf = nan = nan_to_zero = holding = hidden = 0
    for calls in found:
        x, y, base, telling = map(calls.grouped, (calls.x, calls.y, calls.base, calls.readable))
        zero, sound = y == base, np.isfinite(base)
        dropped = (zero | ~telling).all(axis=2) & telling.any(axis=2) | (drop_prob == 1.0)
        gone = dropped[:, :, None] & ~np.isfinite(x) & sound
        # A number other than zero is neither dropped nor kept, whatever its neighbours are.
        there = (telling & ~zero).any(axis=2)[:, :, None] | ~zero
        lost = np.isnan(x) & sound
        judged += int(np.count_nonzero(gone))
        left += int(np.count_nonzero(gone & ~zero))
        nan_of_inf += int(np.count_nonzero(np.isnan(y) & np.isinf(x) & sound))
        nan += int(np.count_nonzero(lost))
        nan_to_zero += int(np.count_nonzero(lost & zero))
        holding += int(np.count_nonzero(lost.any(axis=2)))
        hidden += int(np.count_nonzero(there & ~np.isfinite(x) & np.isfinite(y) & sound))
    # That none of a few is dropped happens by chance; at drop_prob 1 all are judged already.
    if drop_prob == 1.0 or holding * -math.log2(1.0 - drop_prob) < BITS:
        nan = 0
    return Left(drop_prob, judged, left, nan_of_inf, nan, nan_to_zero, hidden)


def _remainders(at: DtypeCase, dropped: str, *, everything: bool = False, kept: bool = False) -> list[str]:
    """Return lines that fail where an infinity or NaN is left of what its neighbours show to be dropped.

    With ``kept``, lines that fail where one became a number, of what they show to be kept.
    """
    form, axes = FORMATS[at.dtype], AXES[at.dialect.granularity]
    gone = "np.True_" if everything else "((zero | ~told).all(-1) & told.any(-1))[:, :, None]"
    if kept:
        gone = "(told & ~zero).any(-1)[:, :, None] | ~zero"
    wrong = f"np.isfinite(ys.reshape({axes}))" if kept else "~zero"
    return [
        f"xs, dropped = np.broadcast_to(xs, ys.shape), np.broadcast_to({dropped}, ys.shape)",
        f"told = np.isfinite(xs) & (abs(xs) >= {2.0**form.min_exponent!r})"
        f" & (abs(xs) > abs(dropped) * {2.0 ** (1 - form.precision)!r})",
        f"zero, told = (ys == dropped).reshape({axes}), told.reshape({axes})",
        f"gone = {gone}",
        f"special = ~np.isfinite(xs).reshape({axes}) & np.isfinite(dropped).reshape({axes})",
        f"left = ys.reshape({axes})[gone & special & {wrong}]",
        "print('infinities and NaN became', left[:8])",
        "assert not len(left)",
    ]
