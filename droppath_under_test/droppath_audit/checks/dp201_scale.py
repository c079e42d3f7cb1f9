"""DP201 scale: every kept value, not the average, is x divided by keep_prob (or x itself, where that is declared).

What it checks
    Each kept value lies in the hull of the legitimate ways to round x/keep_prob in its dtype: division, or
    multiplication by a rounded reciprocal, with keep_prob rounded to float32 or to the dtype. x covers every
    significand of the 16-bit types.
Why it matters
    Without the factor, or with a wrong one, the layer's output in training has another mean than in evaluation, and
    every layer behind it is trained on values that it will never see in use.
How to fix
    Divide kept samples by keep_prob = 1 - drop_prob, not by drop_prob, by the realised share of kept samples, or by
    a keep_prob that was rounded more than once.
Seen in
    felixgwu's stochastic depth, issue 3 (missing); floor(keep_prob + rand), whose mask is 2 for some samples in
    bfloat16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.grid import INTERIOR, Cells
from droppath_audit.core.selection import INTERIOR_CELLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.fates import Fates, fates
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import rounding
from droppath_reference.law import kept_interval, multiplier

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script

SOME = 40  # dropped decisions, of which one at least is seen but for once in 2e17 batches
BATCH = 16_384


class Scale(Check[Fates, Cell]):
    where = Cells(INTERIOR)
    in_variants = Cells((0.1, 0.9), ("float32", "bfloat16"))
    recorded = INTERIOR_CELLS
    mutants = (
        "never_scaled",
        "off_by_half_a_percent",
        "scaled_by_realised_share",
        "sometimes_doubled",
        "ScalesTwice",
        "ScalesInTrainingOnly",
        "MultipliesInTraining",
    )

    def collect(self, probe: Probe[Cell]) -> Fates:
        """Sort outputs by what became of x."""
        pick = probe.at.effort.pick
        batch, calls = (64, pick(64, 256, 1024)) if probe.at.per_call else (BATCH, pick(2, 8, 32))
        calls, batch = probe.at.within(calls, batch, examined=True)
        return fates(probe.calls(Request(batch, moderate, calls)), probe.at)

    def judge(self, seen: Fates, at: Cell, alpha: float) -> Verdict:
        """Fail on a single kept value outside the hull."""
        factor, kept = multiplier(at.drop_prob, at.dialect.scaling), seen.kept + seen.misscaled
        low, high = seen.ratios or (factor, factor)
        if seen.misfit is None:
            scale = f", scale {low:.6g} to {high:.6g}" if seen.ratios else ""
            return Verdict.passed(f"{kept} of {kept} kept values as promised{scale}")
        x, y = seen.misfit
        observed = (
            f"{seen.misscaled} of {kept} kept values are off; x = {x:.6g} became {y:.6g}, a factor of {y / x:.6g}"
        )
        near, hint = 0.01 * min(abs(factor - 1.0), 1.0), ""
        drops = seen.zero > 0 or at.drop_prob * seen.decisions < SOME  # what never drops means nothing by its factor
        if drops and at.dialect.scaling == "inverted" and abs(low - 1.0) < near and abs(high - 1.0) < near:
            hint = "kept values are not scaled at all; if that is meant, add scaling=none to the SPEC"
        return Verdict.failed(observed, promised=f"x times {factor:.6g}, up to rounding", hint=hint)

    def show(self, seen: Fates, at: Cell, script: Script) -> None:
        """Show the factors by which x was multiplied."""
        factor, tolerance = multiplier(at.drop_prob, at.dialect.scaling), rounding(at.dtype)
        x, y = seen.misfit or (0.0, 0.0)
        if isinstance(script, LiveScript) and abs(y - x * factor) <= tolerance * abs(x * factor) > 0:
            low, high = kept_interval(x, at.drop_prob, at.dtype, scaling=at.dialect.scaling)
            script.kept_between(at.drop_prob, x, float(low), float(high))
        else:
            script.kept_factor(at.drop_prob, factor, tolerance)
