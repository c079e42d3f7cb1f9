"""DP303 extreme-probabilities: drop_prob of 1e-7, 0.001, 0.999 and the ends' neighbours keep the law, finite.

What it checks
    At drop_prob 5e-324 (the smallest positive float), 1e-7, 0.001, 0.999 and 1 - 1e-7, in every dtype, decisions are
    drawn until a certificate is reached: the keep probability lies within δ of what was asked for, or does not. δ is
    5e-5, and at effort quick 5e-4 for 0.001 and 0.999. Every output for x = 1 is zero, or finite and the one value
    that a kept sample has. Where 1/keep_prob is no number of the dtype (1e7 in float16), see DP205. The cells 0.002
    and 0.998 are in DP102's grid.
Why it matters
    Probabilities this small stand at both ends of schedules and in searches. A uniform number with eight bits cannot
    tell 0.001 from 0: such a layer never drops, or never keeps, and nobody notices.
How to fix
    Draw the decision in float32 or wider and compare it with keep_prob there; test drop_prob == 0 rather than
    rounding it.
Seen in
    floor(keep_prob + rand) in bfloat16: at drop_prob 0.001 it never drops, at 0.999 it never keeps.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, isinf, nan
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import LARGEST_KEEP_PROB, certificate_design, certificate_for
from droppath_audit.probes.counting import Counts
from droppath_reference.law import FORMATS, multiplier

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts import LiveScript
    from droppath_audit.stats.certificate import Certificate

DROP_PROBS = (5e-324, 1e-7, 0.001, 0.999, 1.0 - 1e-7)
QUICK_RESOLUTION = 5e-4


class ExtremeProbabilities(Check[Counts, Cell]):
    where = Cells(DROP_PROBS)
    driven = "its drop_prob must be set (DP102 judges a recorded one of any size)"
    mutants = ("floor_mask", "whole_percents", "keep_prob_in_the_dtype_of_x")

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A factor that the dtype cannot hold is another promise's."""
        if facts.dialect.scaling == "inverted" and 1.0 / at.keep_prob > FORMATS[at.dtype].largest:
            return f"1/keep_prob is no number of {at.dtype} (see DP205)"
        return super().applicable(facts, at)

    def design(self, at: Cell, alpha: float) -> Design:
        """Return what the certificate resolves and the decisions it expects to draw."""
        known = certificate_design(replace(at, drop_prob=max(at.drop_prob, 1e-7)), alpha)
        if isinf(known.resolves):
            return known
        rule = self.stopping(at, alpha)
        return Design(rule.resolution, "keep probability", rule.expected_decisions())

    def stopping(self, at: Cell, alpha: float) -> Certificate:
        """Return the certificate of one extreme cell."""
        usual = certificate_for(replace(at, drop_prob=max(at.drop_prob, 1e-7)), alpha)
        coarse = QUICK_RESOLUTION if at.drop_prob in (0.001, 0.999) else 0.0
        finest = max(usual.resolution, at.effort.pick(coarse, 0.0, 0.0))
        return replace(usual, keep_prob=min(at.keep_prob, LARGEST_KEEP_PROB), resolution=finest)

    def collect(self, probe: Probe[Cell]) -> Counts:
        """Count decisions until the certificate is reached, or an output is neither dropped nor kept."""
        return probe.count()

    def judge(self, seen: Counts, at: Cell, alpha: float) -> Verdict:
        """Look at the values, then ask the certificate."""
        rule, kept, decisions = self.stopping(at, alpha), seen.kept, seen.decisions
        infinite = ", ".join(repr(value) for value in seen.kept_values if not isfinite(value))
        if infinite:
            return Verdict.failed(f"x = 1 came back as {infinite}", promised="finite values", p_value=0.0)
        if seen.other:
            values = ", ".join(map(repr, seen.kept_values))
            observed = f"{seen.other} of {decisions} outputs for x = 1 are neither 0 nor {values}"
            return Verdict.failed(observed, promised="0, or one value", p_value=0.0)
        p_value = rule.p_value(kept, decisions)
        below, above = rule.interval(kept, decisions)
        fraction = kept / decisions if decisions else nan
        observed = f"kept {fraction:.7g} in [{below:.7g}, {above:.7g}] of {decisions} decisions"
        outcome = rule.outcome(kept, decisions)
        if outcome == "fail":
            return Verdict.failed(observed, promised=f"keep_prob {at.keep_prob:.7g}", p_value=p_value)
        if outcome == "pass":
            within = f"within {rule.resolution:.2g} of {at.keep_prob:.7g}"
            return Verdict.passed(f"{observed}; {within}", p_value=p_value)
        return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)

    def show(self, seen: Counts, at: Cell, script: LiveScript) -> None:
        """Count twice as many decisions as the trial needed, or look at the values."""
        if not all(map(isfinite, seen.kept_values)):
            script.kept_factor(at.drop_prob, multiplier(at.drop_prob, at.dialect.scaling), 0.5)
        elif seen.other:
            script.several_values(at.drop_prob, 2 * seen.decisions)
        else:
            script.share(at.drop_prob, 2 * seen.decisions)
