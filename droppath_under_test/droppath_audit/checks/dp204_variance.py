"""DP204 variance: the variance of the output is x² drop_prob/keep_prob (x² drop_prob keep_prob where unscaled).

What it checks
    The second moment of the outputs for x = 1, divided by the square of the promised kept value, is the number kept
    and so binomial; an exact test judges it, with the rounding of the kept value taken into account.
Why it matters
    The mean can be right by accident: two wrong scales that cancel, or a scale that is itself random, leave it alone
    and change how much noise the network is trained with.
How to fix
    Multiply every kept value by the same factor, 1/keep_prob.
Seen in
    Soft masks and randomised scales in re-implementations; the realised share as divisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import INTERIOR_CELLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.fates import factors
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import ones
from droppath_audit.scripts.script import AXES
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_binomial
from droppath_audit.stats.exact import binomial_test
from droppath_reference.law import kept_interval, multiplier

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script

BATCH = 16_384
SPREAD = 1e-9  # of sums of squares in float64


@dataclass(frozen=True)
class Seen:
    """Sums over the decisions of what each multiplied x by, 0 where it dropped, and of its square."""

    decisions: int
    sum: float
    sum_of_squares: float


class Variance(Check[Seen, Cell]):
    where = Cells((0.1, 0.3, 0.5, 0.9))  # both fates are frequent
    recorded = INTERIOR_CELLS
    mutants = ("random_scale", "never_scaled")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the relative error of the second moment that is seen with certainty 1 - β."""
        calls, batch = _sizes(at)
        decisions = at.decisions or calls * batch
        resolves = resolved(detectable_binomial(decisions, at.keep_prob, alpha, BETA))
        return Design(resolves / at.keep_prob, "second moment, relative", decisions)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Add up what the decisions multiplied x by, and its squares; x is 1 where it can be chosen."""
        calls, batch = _sizes(probe.at)
        decisions, total, squares = 0, 0.0, 0.0
        for part in probe.calls(Request(batch, ones, calls)):
            found, seen = factors(part, probe.at.dialect.scaling)
            decisions += int(np.count_nonzero(seen))
            total, squares = total + float(found.sum()), squares + float(np.square(found).sum())
        return Seen(decisions, total, squares)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the second moment is no possible number of kept values."""
        q, n = at.keep_prob, seen.decisions
        low, high = _kept_one(at)
        promised = multiplier(at.drop_prob, at.dialect.scaling) ** 2 * q * at.drop_prob
        observed = f"variance {seen.sum_of_squares / n - (seen.sum / n) ** 2:.6g} of x² in {n} decisions"
        fewest = seen.sum_of_squares / high**2 * (1.0 - SPREAD)
        most = seen.sum_of_squares / low**2 * (1.0 + SPREAD)
        kept = min(max(n * q, fewest), most)  # the number nearest to the promise that the rounding of the factor admits
        p_value = binomial_test(round(kept), n, q) if 0.0 <= kept <= n else 0.0
        if p_value <= alpha:
            return Verdict.failed(observed, promised=f"variance {promised:.6g} of x²", p_value=p_value)
        return Verdict.passed(observed, p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compute the mean square of y/x."""
        q, factor = at.keep_prob, multiplier(at.drop_prob, at.dialect.scaling)
        low, high = _kept_one(at)
        calls, batch = _sizes(at)
        width = 6.0 * factor**2 * (q * at.drop_prob / script.decisions_in(calls, batch)) ** 0.5
        script.add("ratios = []")
        script.each(
            "with np.errstate(all='ignore'):",
            f"    ratio = ((ys - {script.dropped}) / xs).reshape({AXES[at.dialect.granularity]})[..., 0]",
            "ratios += ratio[np.isfinite(ratio)].tolist()",
            shape=script.shape(batch),
            calls=calls,
            random=True,
            xs=True,
        )
        script.add(
            "moment = np.mean(np.square(ratios))",
            f"print('mean square of y/x:', moment, 'promised:', {round(q * factor**2, 12)!r})",
            "# six standard deviations, and the rounding of the factor",
            f"assert {q * low**2 - width:.5g} <= moment <= {q * high**2 + width:.5g}",
        )


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls and batch."""
    calls, batch = (at.effort.pick(1024, 2048, 8192), 1) if at.per_call else (at.effort.pick(2, 6, 32), BATCH)
    return at.within(calls, batch, examined=True)


def _kept_one(at: Cell) -> tuple[float, float]:
    """Return the smallest and the largest number that a kept 1 may have become."""
    low, high = kept_interval(1.0, at.drop_prob, at.dtype, scaling=at.dialect.scaling)
    return float(low), float(high)
