"""Planning twins: the sample a statistic needs for a discrepancy, and the discrepancy a sample resolves.

Every pair is made from one condition ``enough(n, discrepancy)`` that is monotone in both, so the twins are
inverse to each other. Nothing here looks at data.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from droppath_audit.stats.bisection import first_integer, first_real

FLOAT32_MISS = 2.0**-23
"""What a keep probability may differ from its promise when one float32 draw decides."""

CAP_SHARE = 0.1
"""Share of both errors of a certificate that belongs to the exact test at its cap."""

NOTHING = 1.0
"""Returned by the ``detectable`` twins where the sample is too small for any discrepancy."""


def upper_quantile(probability: float) -> float:
    """Return z with P(Z > z) = ``probability`` for a standard normal Z; accurate for tiny probabilities."""
    return -NormalDist().inv_cdf(probability)


def divergence(x: float, y: float) -> float:
    """Return the Kullback-Leibler divergence, in nats, of Bernoulli(y) from Bernoulli(x), 0 < y < 1."""
    kept = -x * _log_ratio(x, y) if x > 0.0 else 0.0
    dropped = -(1.0 - x) * _log_ratio(1.0 - x, 1.0 - y) if x < 1.0 else 0.0
    return kept + dropped


def _log_ratio(x: float, y: float) -> float:
    """Return log(y/x), accurate where the two are close."""
    return math.log1p((y - x) / x) if 0.5 * x < y < 2.0 * x else math.log(y) - math.log(x)


def _detects_more(decisions: int, keep_prob: float, edge: float, tail: float, beta: float) -> bool:
    """Return whether an exact upper-tail test of keep_prob at level ``tail`` surely sees ``edge``."""
    if edge >= 1.0:
        return True
    threshold = _rejected(decisions, keep_prob, tail) + 2.0 / decisions
    return threshold < edge and 2.0 * decisions * divergence(threshold, edge) >= upper_quantile(beta) ** 2


@lru_cache(maxsize=256)  # whoever looks for an edge asks about the same test again and again
def _rejected(decisions: int, keep_prob: float, tail: float) -> float:
    """Return the share of kept decisions from which on an exact upper-tail test of keep_prob surely rejects."""
    needed = upper_quantile(tail) ** 2 / (2.0 * decisions)
    return first_real(lambda x: divergence(x, keep_prob) >= needed, keep_prob, 1.0)


def _binomial_enough(decisions: int, keep_prob: float, discrepancy: float, alpha: float, beta: float) -> bool:
    return all(
        _detects_more(decisions, promised, promised + discrepancy, alpha / 2.0, beta)
        for promised in (keep_prob, 1.0 - keep_prob)
    )


def samples_for_binomial(discrepancy: float, keep_prob: float, alpha: float, beta: float) -> int:
    """Return the decisions from which on the exact two-sided binomial test is sure to see a discrepancy.

    With this many decisions, or any larger number, ``exact.binomial_test`` at level ``alpha`` misses a keep
    probability that differs by ``discrepancy`` or more with probability at most ``beta``. This is proven, not
    approximated: the binomial distribution function F(k) lies between Φ(±√(2n·KL)) at k and at k + 1
    (Zubkov and Serov 2013, Theory of Probability and its Applications 57(3), 539-544), so it suffices that
    two counts separate the points where the two deviances reach z(alpha/2) and z(beta). The exact minimum is
    smaller by the effect of about one count in each tail. A side on which no keep probability can be that
    far off needs nothing.

    Args:
        discrepancy: δ, in units of the keep probability, inside (0, max(q, 1 - q)).
        keep_prob: q, inside (0, 1); a wrong decision at 0 or 1 is a proof and needs no planning.
        alpha: Level of the test.
        beta: Probability of missing the discrepancy.

    Raises:
        ValueError: If ``keep_prob`` or ``discrepancy`` is outside these ranges.
    """
    _require_inside(keep_prob)
    if not 0.0 < discrepancy < max(keep_prob, 1.0 - keep_prob):
        raise ValueError(
            f"no keep probability differs from {keep_prob} by {discrepancy} or more"
            if discrepancy > 0.0
            else f"a discrepancy is positive, not {discrepancy}"
        )
    variance = keep_prob * (1.0 - keep_prob)
    guess = (upper_quantile(alpha / 2.0) + upper_quantile(beta)) ** 2 * variance / discrepancy**2
    return first_integer(lambda n: _binomial_enough(n, keep_prob, discrepancy, alpha, beta), math.ceil(guess))


@lru_cache(maxsize=1024)
def detectable_binomial(decisions: int, keep_prob: float, alpha: float, beta: float) -> float:
    """Return the discrepancy that ``decisions`` resolve; the inverse of ``samples_for_binomial``.

    ``NOTHING`` where the sample is too small for any discrepancy.

    Raises:
        ValueError: If ``keep_prob`` is not inside (0, 1).
    """
    _require_inside(keep_prob)
    # Short of the largest discrepancy there is, where the edge is no longer told from 0 or 1.
    largest = max(keep_prob, 1.0 - keep_prob) * (1.0 - 1e-9)
    found = first_real(lambda d: _binomial_enough(decisions, keep_prob, d, alpha, beta), 0.0, largest)
    return found if found < largest else NOTHING


def _require_inside(keep_prob: float) -> None:
    if not 0.0 < keep_prob < 1.0:
        raise ValueError(f"a keep probability inside (0, 1) is needed, not {keep_prob}")


@lru_cache(maxsize=1024)
def samples_for_certificate(resolution: float, keep_prob: float, alpha: float, beta: float) -> int:
    """Return n_cap, the decisions at which a certificate is settled by one exact binomial test.

    1.02 (z(0.05 alpha) + z(0.1 beta))² pq/δ², which serves wherever the binomial is nearly normal. Near 0 and
    1 it is not (at q = 1e-7 and δ = 5e-5 the formula yields 4,600 decisions, in which q + δ keeps nothing
    four times in five), so the cap is never below the proven number (see ``samples_for_binomial``) for
    the test that decides there: level 0.1 alpha, error 0.1 beta, promise anywhere within 2^-23 of q. That
    adds less than 1 % at q = 0.002 and nothing for 0.1 ≤ q ≤ 0.9 at standard effort.

    Args:
        resolution: δ of the certificate.
        keep_prob: q, inside (0, 1).
        alpha: False-alarm probability of the whole certificate.
        beta: False-pass probability of the whole certificate.

    Raises:
        ValueError: If ``keep_prob`` or ``resolution`` is out of range.
    """
    _require_inside(keep_prob)
    if not FLOAT32_MISS < resolution < max(keep_prob, 1.0 - keep_prob):
        raise ValueError(
            f"the resolution at keep_prob {keep_prob} lies between 2^-23 and "
            f"{max(keep_prob, 1.0 - keep_prob)}, not at {resolution}"
        )
    formula = _cap_formula(resolution, keep_prob, alpha, beta)
    return max(formula, first_integer(lambda n: _cap_enough(n, resolution, keep_prob, alpha, beta), formula))


def _cap_formula(resolution: float, keep_prob: float, alpha: float, beta: float) -> int:
    quantiles = upper_quantile(CAP_SHARE * alpha / 2.0) + upper_quantile(CAP_SHARE * beta)
    return math.ceil(1.02 * quantiles**2 * keep_prob * (1.0 - keep_prob) / resolution**2)


def _cap_enough(decisions: int, resolution: float, keep_prob: float, alpha: float, beta: float) -> bool:
    return all(
        _detects_more(
            decisions, promised + FLOAT32_MISS, promised + resolution, CAP_SHARE * alpha / 2.0, CAP_SHARE * beta
        )
        for promised in (keep_prob, 1.0 - keep_prob)
    )


@lru_cache(maxsize=1024)
def detectable_certificate(decisions: int, keep_prob: float, alpha: float, beta: float) -> float:
    """Return the finest resolution whose certificate ``decisions`` settle; the inverse of ``samples_for_certificate``.

    For decisions that are there already and cannot be added to: a certificate at this resolution ends with a verdict.
    ``NOTHING`` where the sample is too small for any discrepancy.

    Args:
        decisions: Number of decisions, fixed in advance.
        keep_prob: q, inside (0, 1).
        alpha: False-alarm probability.
        beta: False-pass probability.

    Raises:
        ValueError: If ``keep_prob`` is not inside (0, 1).
    """
    _require_inside(keep_prob)
    largest = max(keep_prob, 1.0 - keep_prob) * (1.0 - 1e-9)

    def settled(resolution: float) -> bool:
        return _cap_formula(resolution, keep_prob, alpha, beta) <= decisions and _cap_enough(
            decisions, resolution, keep_prob, alpha, beta
        )

    found = first_real(settled, FLOAT32_MISS, largest)
    return found if found < largest else NOTHING


def samples_for_dkw(discrepancy: float, alpha: float, beta: float) -> int:
    """Return the decisions that a test by the inequality of Dvoretzky, Kiefer and Wolfowitz needs.

    A distribution function is missed by more than ε with probability at most 2 exp(-2nε²) (Massart 1990, Annals of
    Probability 18, 1269-1283), whatever the distribution: the test fails where the kept fraction is ε(alpha) off, and
    sees whatever is ε(alpha) + ε(beta) off. It knows nothing of the variance pq, for which it pays near 0 and 1.

    Args:
        discrepancy: δ, in units of the keep probability, positive.
        alpha: Level of the test.
        beta: Probability of missing the discrepancy.

    Raises:
        ValueError: If ``discrepancy`` is not positive.
    """
    if not discrepancy > 0.0:
        raise ValueError(f"a discrepancy is positive, not {discrepancy}")
    return math.ceil((_dkw_root(alpha) + _dkw_root(beta)) ** 2 / discrepancy**2)


def detectable_dkw(decisions: int, alpha: float, beta: float) -> float:
    """Return the discrepancy that ``decisions`` resolve; the inverse of ``samples_for_dkw``."""
    return min(NOTHING, (_dkw_root(alpha) + _dkw_root(beta)) / math.sqrt(decisions))


def _dkw_root(error: float) -> float:
    """Return ε √n with 2 exp(-2nε²) = ``error``."""
    return math.sqrt(math.log(2.0 / error) / 2.0)


def information_bound(keep_prob: float, resolution: float, alpha: float, beta: float) -> tuple[float, float]:
    """Return the expected decisions that no sequential test can undercut.

    The first is for correct code, the second for code at the edge q ± δ. An average sample number is at
    least the divergence of the two decisions' distributions over that of one observation (Wald 1945, Annals
    of Mathematical Statistics 16, 117-186). The smaller of the two edges' bounds is returned, so each figure
    holds at either edge.

    Args:
        keep_prob: q.
        resolution: δ; at least one of q ± δ is inside (0, 1).
        alpha: False-alarm probability.
        beta: False-pass probability.

    Raises:
        ValueError: If ``keep_prob`` or both edges are outside (0, 1).
    """
    _require_inside(keep_prob)
    edges = [edge for edge in (keep_prob - resolution, keep_prob + resolution) if 0.0 < edge < 1.0]
    if not edges:
        raise ValueError(f"no keep probability differs from {keep_prob} by {resolution} or more")
    correct = min(divergence(alpha, 1.0 - beta) / divergence(keep_prob, edge) for edge in edges)
    at_edge = min(divergence(beta, 1.0 - alpha) / divergence(edge, keep_prob) for edge in edges)
    return correct, at_edge


@lru_cache(maxsize=1024)
def _noncentrality(degrees_of_freedom: int, alpha: float, beta: float) -> float:
    """Return the noncentrality that a chi-square test at ``alpha`` misses with probability ``beta``."""
    from scipy.stats import chi2, ncx2

    critical = float(chi2.isf(alpha, degrees_of_freedom))
    highest = 4.0 * (critical + upper_quantile(beta) ** 2)
    return first_real(lambda shift: ncx2.cdf(critical, degrees_of_freedom, shift) <= beta, 0.0, highest)


def detectable_chi_square(n: int, degrees_of_freedom: int, alpha: float, beta: float) -> float:
    """Return the effect size w that a chi-square (or G) statistic of ``n`` observations resolves.

    w² = Σ (P - P₀)²/P₀ over the cells (Cohen 1988, Statistical Power Analysis, chapter 7), from the
    noncentral chi-square distribution with noncentrality n·w².

    * One wrong cell in a frequency table over keep probabilities: ``n`` is that cell's decisions and its
      discrepancy is δ = w √(pq).
    * A histogram: ``n`` is the number of entries; a spread whose variance is wrong by a factor 1 + ε has w =
      ε/√2.

    Args:
        n: Number of observations.
        degrees_of_freedom: Of the statistic.
        alpha: Level.
        beta: Probability of missing the effect.
    """
    return math.sqrt(_noncentrality(degrees_of_freedom, alpha, beta) / n)


def samples_for_chi_square(effect: float, degrees_of_freedom: int, alpha: float, beta: float) -> int:
    """Return the observations a chi-square (or G) statistic needs for the effect size w.

    The inverse of ``detectable_chi_square``.
    """
    return math.ceil(_noncentrality(degrees_of_freedom, alpha, beta) / effect**2)


def _pair_deviance(keep_prob: float, correlation: float) -> tuple[float, float]:
    """Return mean and standard deviation of log P/P₀ over one pair with this correlation, not negative."""
    drop_prob = 1.0 - keep_prob
    covariance = correlation * keep_prob * drop_prob
    cells = (
        (keep_prob**2 + covariance, keep_prob**2),
        (drop_prob**2 + covariance, drop_prob**2),
        (keep_prob * drop_prob - covariance, keep_prob * drop_prob),
        (keep_prob * drop_prob - covariance, keep_prob * drop_prob),
    )
    logs = [(cell, math.log(cell / independent)) for cell, independent in cells if cell > 1e-12 * independent]
    mean = sum(cell * log for cell, log in logs)
    square = sum(cell * log**2 for cell, log in logs)
    return mean, math.sqrt(max(square - mean**2, 0.0))


def _pairs_enough(pairs: int, keep_prob: float, correlation: float, alpha: float, beta: float) -> bool:
    if pairs < 1:
        return False
    one_count = 1.0 / (pairs * keep_prob * (1.0 - keep_prob))
    if one_count >= correlation:
        return False
    mean, deviation = _pair_deviance(keep_prob, correlation)
    shifted, _ = _pair_deviance(keep_prob, correlation - one_count)
    spread = upper_quantile(beta) * deviation / math.sqrt(2.0 * mean)
    return math.sqrt(2.0 * pairs * shifted) - spread >= upper_quantile(alpha / 2.0)


def samples_for_hypergeometric(correlation: float, keep_prob: float, alpha: float, beta: float) -> int:
    """Return the pairs that ``exact.hypergeometric_test`` needs for a correlation of either sign.

    Both decisions of a pair are kept with probability q. For two groups of equal size whose keep
    probabilities differ by d, the correlation is d/(2 √(pq)), with ``pairs`` the decisions of both groups
    together.

    The signed root of the 2x2 table's deviance, one count nearer to independence, is compared with
    z(alpha/2); its spread under the alternative is that of log P/P₀ (delta method). An approximation: for
    correlations up to 0.2 it is at most a tenth above the exact number, near 1 up to 10 % below it
    (``tests/calibration`` shows both).

    Args:
        correlation: φ of a pair, inside (0, 1]. A negative one of the same size needs fewer pairs.
        keep_prob: q, inside (0, 1).
        alpha: Level of the test.
        beta: Probability of missing the correlation.

    Raises:
        ValueError: If ``keep_prob`` or ``correlation`` is outside these ranges.
    """
    _require_inside(keep_prob)
    if not 0.0 < correlation <= 1.0:
        raise ValueError(f"a correlation inside (0, 1] is needed, not {correlation}")
    guess = ((upper_quantile(alpha / 2.0) + upper_quantile(beta)) / correlation) ** 2
    return first_integer(lambda n: _pairs_enough(n, keep_prob, correlation, alpha, beta), math.ceil(guess))


def detectable_hypergeometric(pairs: int, keep_prob: float, alpha: float, beta: float) -> float:
    """Return the correlation that ``pairs`` resolve; the inverse of ``samples_for_hypergeometric``.

    ``NOTHING`` (a correlation of 1) where the sample is too small for any.

    Raises:
        ValueError: If ``keep_prob`` is not inside (0, 1).
    """
    _require_inside(keep_prob)
    return first_real(lambda size: _pairs_enough(pairs, keep_prob, size, alpha, beta), 0.0, NOTHING)
