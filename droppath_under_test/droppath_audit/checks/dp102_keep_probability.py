"""DP102 keep-probability: in every cell of the grid the keep probability is what was asked for, within δ.

What it checks
    Decisions are drawn until a certificate is reached: either that the keep probability is not the one asked for,
    or that it lies within δ of it, both with stated error rates that hold however long it took. Every sample is also
    checked to be dropped exactly, or kept with the one value that a kept sample has.
Why it matters
    This is the layer's whole purpose. A keep probability that is wrong in one dtype only is found in no test that
    runs in float32, and changes what half-precision training learns.
How to fix
    Draw the decision in float32 or wider, or with a Bernoulli call on a scalar probability; check that drop and keep
    are not swapped.
Seen in
    floor(keep_prob + rand) in bfloat16, wrong by 33 standard deviations at drop_prob = 0.1 in a test of usual length;
    at drop_prob = 0.001 it never drops, at 0.999 it never keeps.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import SWAPPED, Verdict
from droppath_audit.probes.certifying import certificate_design, certificate_for
from droppath_audit.probes.counting import Counts
from droppath_audit.scripts import LiveScript

if TYPE_CHECKING:
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script
    from droppath_audit.stats.certificate import Certificate


class KeepProbability(Check[Counts, Cell]):
    where = Cells()
    in_variants = Cells((0.1, 0.9), ("float32", "bfloat16"))
    recorded = Selection(
        lambda block: block.training,
        "cell",
        "the recording has no calls in training",
        lambda case: case.decisions > 0,
    )
    mutants = ("floor_mask", "bias_of_two_thousandths", "keeps_what_it_should_drop", "sometimes_doubled")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return what the certificate resolves."""
        return certificate_design(at, alpha)

    def stopping(self, at: Cell, alpha: float) -> Certificate:
        """Return the certificate."""
        return certificate_for(at, alpha)

    def collect(self, probe: Probe[Cell]) -> Counts:
        """Count decisions until the certificate is reached, or an output is neither dropped nor kept."""
        counts = probe.count()
        if probe.at.drop_prob == 1.0 and any(map(isnan, counts.kept_values)):
            raise NotApplicable("the outputs are NaN, from which no decision can be read (see DP301)")
        return counts

    def judge(self, seen: Counts, at: Cell, alpha: float) -> Verdict:
        """Ask the certificate."""
        if seen.other:
            values = ", ".join(f"{value:.6g}" for value in seen.kept_values)
            return Verdict.failed(
                f"{seen.other} of {seen.decisions} outputs for x = 1 are neither 0 nor the value of the other kept "
                f"ones ({values})",
                promised="every output is dropped, or kept with one value",
                p_value=0.0,
            )
        certificate = certificate_for(at, alpha)
        keep_prob, counts = certificate.keep_prob, (seen.kept, seen.decisions)
        low, high = certificate.interval(*counts)
        p_value, outcome = certificate.p_value(*counts), certificate.outcome(*counts)
        fraction = seen.kept / seen.decisions if seen.decisions else float("nan")
        observed = f"kept {fraction:.6g} in [{low:.6g}, {high:.6g}] of {seen.decisions} decisions"
        if outcome == "fail":
            other = abs(fraction - (1.0 - keep_prob))
            swapped = abs(keep_prob - 0.5) > 0.01 and other < abs(fraction - keep_prob) / 10
            hint = SWAPPED if swapped else ""
            return Verdict.failed(observed, promised=f"keep_prob {keep_prob:g}", p_value=p_value, hint=hint)
        if outcome == "pass":
            return Verdict.passed(f"{observed}; within {certificate.resolution:.2g} of {keep_prob:g}", p_value=p_value)
        return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)

    def show(self, seen: Counts, at: Cell, script: Script) -> None:
        """Count twice as many decisions as the trial needed."""
        if seen.other and isinstance(script, LiveScript):
            script.several_values(at.drop_prob, 2 * seen.decisions)
        else:
            script.share(at.drop_prob, 2 * seen.decisions)
