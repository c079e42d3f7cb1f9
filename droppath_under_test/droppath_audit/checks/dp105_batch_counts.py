"""DP105 batch-counts: the number kept per batch is binomial, neither too regular nor too irregular.

What it checks
    The histogram of the number kept in batches of 64 against the binomial distribution, given the keep frequency that
    was observed, by the likelihood-ratio statistic G; Pearson's is printed beside it. Both tails: a fixed count per
    batch has no variance at all, positively dependent samples have too much. Beside it, the fullest and the emptiest
    batch are judged exactly: one batch in a thousand that is kept whole is too rare for a histogram, and a proof alone.
Why it matters
    The law of the batch is the regularisation. A fixed number of kept samples removes the chance of deep and shallow
    networks that stochastic depth is named after, and the first redraw of an all-dropped batch shifts every mean.
How to fix
    Decide for every sample by itself; do not permute a fixed number of ones, and do not redraw unlucky batches.
Seen in
    DINOv2's drop_add_residual_stochastic_depth, which keeps a random subset of fixed size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import WHOLE_CALLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.calls import widest
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.chi_square import FEW_CELLS, goodness_of_fit, goodness_of_fit_of_few, pool, sparse_tail
from droppath_audit.stats.design import detectable_chi_square

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

BATCH = 64
SHOWN = 4000  # calls of a script


@dataclass(frozen=True)
class Seen:
    """Batches in which 0, 1, … all decisions kept."""

    histogram: tuple[int, ...]

    @property
    def batches(self) -> int:
        """How many there are."""
        return sum(self.histogram)

    @property
    def width(self) -> int:
        """Decisions of a batch."""
        return len(self.histogram) - 1

    @property
    def kept(self) -> int:
        """Decisions that kept."""
        return sum(count * number for count, number in enumerate(self.histogram))

    @property
    def share(self) -> float:
        """Share of the decisions that kept."""
        return self.kept / (self.batches * self.width)


class BatchCounts(Check[Seen, Cell]):
    # The histogram is widest at 1/2; what is looked for depends neither on the drop_prob nor on the dtype.
    where = Cells((0.5,), ("float32",))
    in_variants = Cells((0.5,), ("float32",))
    recorded = WHOLE_CALLS
    mutants = ("fixed_count", "pairs_of_samples", "FullDepthNowAndThen")

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A batch that is one decision has no count."""
        return "a batch is one decision" if at.per_call else ""

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the relative error of the count's variance that is seen; of a few calls 1, for a fixed count alone."""
        width = max((block.width for block in at.blocks), default=_sizes(at)[1])
        calls = sum(block.whole for block in at.blocks if block.width == width) or _sizes(at)[0]
        expected = _expected(calls, width, at.keep_prob)
        quantity, decisions = "variance of the kept count, relative", calls * width
        known = bool(at.blocks) or at.sample > 1
        if known and _few(expected):
            pooled = pool(expected, expected, calls / FEW_CELLS * (1.0 - 1e-9))[1] / calls
            seen = len(pooled) > 1 and sparse_tail(-2.0 * calls * math.log(pooled.max()), len(pooled)) <= alpha / 2.0
            return Design(1.0 if seen else math.inf, quantity, decisions)
        # Of a histogram pooled at 100; where its length is known, three standard deviations each way.
        cells = len(pool(expected, expected)[1]) if known else 2 * round(math.sqrt(BATCH) / 2 * 3)
        return Design(math.sqrt(2.0) * detectable_chi_square(calls, cells, alpha / 2.0, BETA), quantity, decisions)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Count the batches in which 0, 1, … all decisions kept."""
        masks = widest(probe.decisions(*_sizes(probe.at)))
        return Seen(tuple(np.bincount(masks.sum(axis=1), minlength=masks.shape[1] + 1).tolist()))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where G is larger than chance allows."""
        histogram, batches, width, share = seen.histogram, seen.batches, seen.width, seen.share
        if not 0.0 < share < 1.0:
            return Verdict.not_applicable(
                "all samples met the same fate, so there are no counts to compare (see DP102)"
            )
        squares = (np.arange(width + 1) - share * width) ** 2
        ratio = float(squares @ np.array(histogram)) / batches / (width * share * (1.0 - share))
        spread = f"variance of the kept count {ratio:.3f} of the binomial's"
        few = _few(_expected(batches, width, at.keep_prob))
        try:
            fit = (goodness_of_fit_of_few if few else goodness_of_fit)(histogram, _expected(batches, width, share))
        except ValueError:  # only where the frequency is far from what was asked for
            return Verdict.not_applicable(f"{share:.4g} were kept, and nearly all counts are alike (see DP102)")
        observed = (
            f"{spread} in {batches} batches of {width}; G = {fit.g:.1f}, Pearson's X² = {fit.pearson:.1f}, "
            f"{fit.degrees_of_freedom} degrees of freedom, p = {fit.p_value:.2g}"
        )
        count, p_extreme = _extreme(seen)
        # Either of the two tests can fail the trial, so each has half of alpha.
        p_value = min(1.0, 2.0 * min(fit.p_value, p_extreme))
        if p_value > alpha:
            return Verdict.passed(observed, p_value=p_value)
        if p_extreme < fit.p_value:
            rare = f"{histogram[count]} of {batches} batches of {width} kept {count}, p = {p_extreme:.2g}"
            observed = f"{rare}; {observed}"
        return Verdict.failed(observed, promised=f"kept counts as Binomial({width}, {share:.4g})", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the variance of the kept count with the binomial's, and look at both ends."""
        from scipy.stats import binom, chi2

        calls, width = seen.batches if at.blocks else SHOWN, seen.width
        low, high = (chi2.ppf(tail, calls) / calls for tail in (1e-8, 1.0 - 1e-8))
        fewest, most = (int(binom.ppf(tail, width, at.keep_prob)) for tail in (1e-8 / calls, 1.0 - 1e-8 / calls))
        script.add("counts = []")
        script.each(
            *script.masks(), "counts += kept.sum(1).tolist()",
            shape=script.shape(BATCH), calls=calls, blocks=lambda block: block.width == width,
        )  # fmt: skip
        script.add(
            "mean = np.mean(counts)",
            f"ratio = np.var(counts) / (mean * (1 - mean / {width}))",
            "print('variance of the number kept, as a share of the binomial one:', ratio)",
            f"assert {low:.3f} < ratio < {high:.3f}  # {calls} calls, one chance in 10^8 at either end",
            "print('fewest and most kept:', min(counts), max(counts))",
            f"assert {fewest} <= min(counts) and max(counts) <= {most}  # the same",
        )


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls and batch."""
    return at.within(at.effort.pick(2**12, 2**15, 2**19), BATCH)


def _expected(batches: int, width: int, share: float) -> npt.NDArray[np.float64]:
    """Return how many batches are expected to keep 0, 1, … all decisions."""
    from scipy.stats import binom

    return np.asarray(batches * binom.pmf(np.arange(width + 1), width, share))


def _few(expected: npt.NDArray[np.float64]) -> bool:
    """Return whether a histogram has too few entries, by what is promised of it, for three cells of a chi-square."""
    return len(pool(expected, expected)[1]) < 3


def _extreme(seen: Seen) -> tuple[int, float]:
    """Return the more extreme of the largest and the smallest count, and a bound on the probability of one as extreme.

    Given how many were kept in all, a batch's count is hypergeometric whatever the keep probability; the bound is the
    sum over both ends and all batches.
    """
    from scipy.stats import hypergeom

    found = [count for count, number in enumerate(seen.histogram) if number]
    decisions, largest, smallest = seen.batches * seen.width, found[-1], found[0]
    above = float(hypergeom.sf(largest - 1, decisions, seen.kept, seen.width))
    below = float(hypergeom.cdf(smallest, decisions, seen.kept, seen.width))
    count, tail = (largest, above) if above < below else (smallest, below)
    return count, min(1.0, 2.0 * seen.batches * tail)
