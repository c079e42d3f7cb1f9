"""DP203 mean-preservation: the mean of the training output is x (keep_prob times x in the unscaled dialects).

What it checks
    The mean is not estimated from noisy outputs but computed from its two parts: the interval of the keep
    probability, and the factor of a kept value, which is observed exactly. A second test weighs decisions by |x| on
    random x, which sees masks that depend on x. Statistical half-width and rounding are stated apart. A factor that is
    another than promised, and makes up exactly for another share of kept samples, has the mean of x: see DP201.
Why it matters
    In training the layers behind a block must see what they will see in evaluation, on average. One combined
    tolerance would hide a scale that is wrong by half a percent behind the rounding of half precision.
How to fix
    Correct whichever part is wrong: the frequency (see DP102) or the factor (see DP201).
Seen in
    composer issue 372, where training and evaluation disagree; floor(keep_prob + rand) in bfloat16, whose mean
    output at drop_prob = 0.1 is 0.997 x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import INTERIOR, Cells
from droppath_audit.core.selection import INTERIOR_CELLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import certificate_design, certificate_for
from droppath_audit.probes.counting import Counts
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import rounding
from droppath_audit.stats.mean import weighted_mean_test
from droppath_reference.law import kept_interval, multiplier, round_to

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script
    from droppath_audit.stats.certificate import Certificate

BATCH = 65_536
EXACTLY = {"float16": 2.0**-11, "bfloat16": 2.0**-9}
"""Of the mean, half a unit in the last place of a factor that makes up for what was kept; elsewhere ``SINGLE``."""
SINGLE = 2.0**-22  # some roundings of single precision, in which targets compute factors for float64 as well
COARSER = 2.0  # times the resolution of DP102, which certifies the same frequency: a quarter of its decisions


@dataclass(frozen=True)
class Weighted:
    """By how much the mean of the mask, weighted by |x|, deviates from keep_prob, with what its bound needs."""

    deviation: float
    sum_of_squared_weights: float
    largest_weight: float


@dataclass(frozen=True)
class Seen:
    """Counts for the certificate, and the weighted mean; None where a call is one decision, or x has no weight."""

    counts: Counts
    weighted: Weighted | None


class MeanPreservation(Check[Seen, Cell]):
    where = Cells(INTERIOR)
    recorded = INTERIOR_CELLS
    mutants = ("floor_mask", "never_scaled", "off_by_half_a_percent", "drops_large_samples")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return what the certificate resolves, as a share of x."""
        frequency = certificate_design(at, alpha / 2, coarser=COARSER)
        factor = multiplier(at.drop_prob, at.dialect.scaling)
        return Design(frequency.resolves * factor, "mean output, as a share of x", frequency.decisions)

    def stopping(self, at: Cell, alpha: float) -> Certificate:
        """Return the certificate of the frequency; the weighted test has the other half of the share."""
        return certificate_for(at, alpha / 2, coarser=COARSER)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Draw a certificate, then weigh the decisions on random x by |x|."""
        counts = probe.count()
        return Seen(counts, None if probe.at.per_call else _weigh(probe))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the frequency, the factor or the weighted mean is proven wrong."""
        certificate, counts = self.stopping(at, alpha), seen.counts
        factor = multiplier(at.drop_prob, at.dialect.scaling)
        promised = f"mean output {certificate.keep_prob * factor:.6g} of x"
        if counts.other:
            return Verdict.failed("outputs for x = 1 are not of two values, so their mean is not x", promised=promised)
        kept, decisions = counts.kept, counts.decisions
        # The certificate and the weighted test have half of alpha each, and so of the p-value.
        p_value = min(1.0, 2.0 * certificate.p_value(kept, decisions))
        low, high = certificate.interval(kept, decisions)
        frequency = kept / decisions if decisions else float("nan")
        observed_factor = max(_rounded(counts, at), key=lambda value: abs(value - factor), default=factor)
        one_low, one_high = _legitimate(at)
        observed = (
            f"mean output {frequency * observed_factor:.6g} of x: "
            f"frequency {(frequency - certificate.keep_prob) * factor:+.2g} "
            f"(in [{(low - certificate.keep_prob) * factor:+.2g}, {(high - certificate.keep_prob) * factor:+.2g}]), "
            f"rounding of the factor {frequency * (observed_factor - factor):+.2g} (exact)"
        )
        mean = frequency * observed_factor / (certificate.keep_prob * factor)
        if _misfits(counts, at) and abs(mean - 1.0) > EXACTLY.get(at.dtype, SINGLE):
            return Verdict.failed(
                f"{observed}; the factor is {observed_factor:.6g}, where {one_low:.6g} to {one_high:.6g} is rounding",
                promised=promised,
            )
        # A subset that is scaled by its own share has the mean of x: the factor is DP201's to judge.
        outcome = certificate.outcome(kept, decisions)
        if outcome == "fail":
            return Verdict.failed(observed, promised=promised, p_value=p_value)
        if seen.weighted is not None:
            by_weight = 2.0 * weighted_mean_test(
                seen.weighted.deviation,
                seen.weighted.sum_of_squared_weights,
                seen.weighted.largest_weight,
                certificate.keep_prob,
            )
            p_value = min(p_value, by_weight)
            if by_weight <= alpha:
                return Verdict.failed(
                    f"weighted by |x|, {certificate.keep_prob + seen.weighted.deviation:.6g} is kept on random x: "
                    "the mask depends on x",
                    promised=promised,
                    p_value=by_weight,
                )
        if outcome == "open":
            return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)
        return Verdict.passed(observed, p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Show the part that is furthest off: factor, weighted mean or frequency."""
        p, q, counts, weighted = at.drop_prob, at.keep_prob, seen.counts, seen.weighted
        if counts.other and isinstance(script, LiveScript):
            script.several_values(p, 2 * counts.decisions)
            return
        if _misfits(counts, at) and isinstance(script, LiveScript):
            calls = -(-counts.decisions // (1 if at.per_call else BATCH))
            script.kept_between(p, 1.0, *_legitimate(at), calls=max(1, calls))
            return
        if _misfits(counts, at):
            script.kept_factor(p, multiplier(p, at.dialect.scaling), rounding(at.dtype))
            return
        deviations = abs(counts.kept - q * counts.decisions) / (p * q * max(1, counts.decisions)) ** 0.5
        spread = (p * q * weighted.sum_of_squared_weights) ** 0.5 if weighted else 0.0
        if weighted is None or abs(weighted.deviation) < deviations * spread:
            script.share(p, 2 * counts.decisions)
            return
        script.add("total = of_kept = squares = 0")
        script.each(
            *script.kept(weigh=True),
            "total, of_kept = total + weight.sum(), of_kept + (weight * kept).sum()",
            "squares += (weight**2).sum()",
            random=True,
            xs=True,
        )
        script.add(
            f"print('kept, weighted by |x|:', of_kept / total, 'promised:', {q!r})",
            f"deviation = (squares * {p * q:.3g}) ** 0.5 / total",
            f"assert abs(of_kept / total - {q!r}) <= 6 * deviation",
        )


def _weigh(probe: Probe[Cell]) -> Weighted | None:
    total = squares = largest = kept = 0.0
    batch = probe.at.effort.pick(16_384, BATCH, BATCH)
    for calls in probe.calls(Request(batch, moderate, elements=batch)):
        decided = calls.decisions()
        weights = calls.grouped(np.where(calls.readable, np.abs(calls.x), 0.0)).mean(axis=2)
        total, squares = total + float(weights.sum()), squares + float(np.square(weights).sum())
        largest, kept = max(largest, float(weights.max())), kept + float(weights[decided.kept & decided.seen].sum())
    if not 0.0 < squares < np.inf:
        return None
    return Weighted(kept / total - probe.at.keep_prob, squares / total**2, largest / total)


def _rounded(counts: Counts, at: Cell) -> list[float]:
    """Return the kept values rounded to x's dtype: a target that widens it breaks DP005, not this promise."""
    return [float(round_to(value, at.dtype)) for value in counts.kept_values]


def _legitimate(at: Cell) -> tuple[float, float]:
    """Return the smallest and the largest number that a kept 1 may have become."""
    low, high = kept_interval(1.0, at.drop_prob, at.dtype, scaling=at.dialect.scaling)
    return float(low), float(high)


def _misfits(counts: Counts, at: Cell) -> bool:
    """Return whether a kept value is more than rounding away from the promise; none are where none was kept."""
    low, high = _legitimate(at)
    return not all(low <= value <= high for value in _rounded(counts, at))
