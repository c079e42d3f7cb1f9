"""DP202 dropped-is-zero: dropped samples are exactly zero for finite x, and some samples are dropped.

What it checks
    No output is a small remainder of x (neither zero nor at least half of x), and among many samples there are
    zeros at all, by the exact probability of seeing none. With a shortcut, a dropped sample is exactly the shortcut.
Why it matters
    A branch that leaks a thousandth of its value is never off: its normalisation layers and its gradients go on as
    if it were there. A mask that is added instead of floored never drops anything and still looks random.
How to fix
    Use a mask of exact zeros and ones: compare the uniform number with keep_prob, or floor the sum.
Seen in
    keras-hub's DINOV2DropPath, which never floors its mask; the layer of several PaddlePaddle tutorials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import INTERIOR, Cells
from droppath_audit.core.selection import INTERIOR_CELLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.fates import Fates, fates
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script

BATCH = 16_384
PROMISED = "dropped values are exactly zero"


@dataclass(frozen=True)
class Seen:
    """What became of x, and how many elements of a shortcut were changed in dropped samples."""

    fates: Fates
    shortcut_changed: int


class DroppedIsZero(Check[Seen, Cell]):
    where = Cells(INTERIOR)
    in_variants = Cells((0.5,), ("float32",))
    recorded = INTERIOR_CELLS
    mutants = ("leaks_a_thousandth", "never_floored")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the smallest drop frequency whose total absence would be seen."""
        calls, batch = _sizes(at)
        decisions = at.decisions if at.blocks else calls * batch
        return Design(1.0 - alpha ** (1.0 / decisions), "drop probability whose absence is seen", decisions)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Sort outputs by what became of x; in residual forms, compare dropped samples with the shortcut."""
        calls, batch = _sizes(probe.at)
        found = fates(probe.calls(Request(batch, moderate, calls)), probe.at)
        # A recording has its own shortcuts, with which dropped values were compared just now.
        return Seen(found, _shortcut_changed(probe) if isinstance(probe, LiveProbe) and probe.residual else 0)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail on a single remainder, on a changed shortcut, or where nothing is ever zero."""
        decisions, zero, leak = seen.fates.decisions, seen.fates.zero, seen.fates.leak
        if seen.shortcut_changed:
            return Verdict.failed(
                f"{seen.shortcut_changed} elements of the shortcut are changed in dropped samples",
                promised="a dropped sample is its shortcut",
            )
        if leak is not None:
            return Verdict.failed(
                f"{seen.fates.leaked} of {decisions} outputs are neither zero nor kept; "
                f"x = {leak[0]:.6g} became {leak[1]:.6g}",
                promised=PROMISED,
            )
        p_value = 1.0 if zero else (1.0 - at.drop_prob) ** decisions
        if p_value <= alpha:
            return Verdict.failed(
                f"none of {decisions} outputs is zero, where {decisions * at.drop_prob:.0f} were to be expected",
                promised=PROMISED,
                p_value=p_value,
            )
        return Verdict.passed(f"{zero} of {decisions} outputs are zero, none is a remainder", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Look for zeros and for remainders, or for a shortcut that is changed."""
        if seen.shortcut_changed and isinstance(script, LiveScript):
            _show_shortcut(at, script)
            return
        script.add("zeros, leaks = False, 0")
        script.each(
            "xs = np.broadcast_to(xs, ys.shape)",
            f"zeros |= bool((ys == {script.dropped})[xs != 0].any())",
            f"leaks += int(((ys != {script.dropped}) & (abs(ys - {script.dropped}) < abs(xs) / 2)).sum())",
            shape=script.shape(1 if at.per_call else 65_536),
            # That nothing is dropped happens to a correct layer once in e^24.
            calls=math.ceil(24.0 / at.drop_prob) if at.per_call else 1,
            xs=True,
        )
        script.add("print('any dropped:', zeros, ' remainders of x:', leaks)", "assert zeros and not leaks")


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls and batch; where a batch is one decision, calls enough to see p (or 0.02, if p is less) missing."""
    if at.per_call:
        # (1 - p)^(24/p) < e^-24, which is less than a share of the default budget.
        return at.within(max(64, math.ceil(24.0 / max(at.drop_prob, 0.02))), 1, examined=True)
    return at.within(at.effort.pick(2, 8, 32), BATCH, examined=True)


def _shortcut_changed(probe: LiveProbe[Cell]) -> int:
    """Return how many elements of a training output are neither the shortcut nor shortcut plus something kept."""
    framework, layer = probe.framework, probe.make()
    x = probe.ones(probe.shape(256))
    values = moderate(probe.rng, probe.shape(256), probe.dtype)
    shortcut = probe.tensor(values)
    changed = 0
    for _ in range(256 if probe.at.per_call else 16):
        total = framework.numpy(layer.with_shortcut(x, shortcut, training=True))
        changed += int(np.count_nonzero((total != values) & (total < values + 0.5)))
    return changed


def _show_shortcut(at: Cell, script: LiveScript) -> None:
    """Compare dropped samples with shortcuts of any values."""
    shape = script.shape(256 if at.per_call else 65_536)
    calls = math.ceil(24.0 / min(at.drop_prob, at.keep_prob)) if at.per_call else 4  # to meet both fates
    normal = f"np.random.default_rng(0).normal(size={math.prod(shape)}).tolist()"  # with the digits of a float64
    script.layer(at.drop_prob)
    script.ones(shape)
    script.add(f"shortcut = {script.spell.literal(normal, repr(shape), at.dtype, repr(at.device))}")
    with script.under(f"for _ in range({calls}):"):
        script.run(at.drop_prob)
        script.add(
            f"change = {script.array('y')} - {script.array('shortcut')}",
            "assert not ((change != 0) & (change < 0.5)).any(), np.unique(change)[:8]",
        )
