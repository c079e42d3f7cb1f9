"""Exact tests and intervals for counts, at any sample size. SciPy loads on first use."""

from __future__ import annotations

import math


def _require_counts(kept: int, decisions: int) -> None:
    if not 0 <= kept <= decisions:
        raise ValueError(f"{kept} kept of {decisions} decisions is not a count")


def binomial_test(kept: int, decisions: int, keep_prob: float) -> float:
    """Return the exact two-sided p-value of ``kept`` of ``decisions`` against a keep probability.

    Twice the smaller tail, at most 1, so either tail errs with at most half the level. At keep_prob 0 and 1
    one wrong decision yields 0.

    Args:
        kept: Number kept, 0 to ``decisions``.
        decisions: Number of independent decisions.
        keep_prob: q, in [0, 1].

    Raises:
        ValueError: If the counts or ``keep_prob`` are impossible.
    """
    from scipy.special import betainc

    _require_counts(kept, decisions)
    if not 0.0 <= keep_prob <= 1.0:
        raise ValueError(f"a keep probability lies in [0, 1], not {keep_prob}")
    # Tails of the binomial are incomplete beta functions (Abramowitz and Stegun 26.5.24), accurate far out.
    upper = float(betainc(kept, decisions - kept + 1, keep_prob)) if kept else 1.0
    lower = float(betainc(decisions - kept, kept + 1, 1.0 - keep_prob)) if kept < decisions else 1.0
    return min(1.0, 2.0 * min(lower, upper))


def binomial_interval(kept: int, decisions: int, alpha: float) -> tuple[float, float]:
    """Return the exact confidence interval for the keep probability.

    Clopper and Pearson 1934, Biometrika 26, 404-413. Valid at a number of decisions fixed in advance; for a
    number at which sampling stopped because of what it saw, use ``Certificate.interval``.

    Args:
        kept: Number kept, 0 to ``decisions``.
        decisions: Number of independent decisions.
        alpha: Probability, half on each side, that the interval misses.

    Raises:
        ValueError: If the counts are impossible or ``alpha`` is not inside (0, 1).
    """
    from scipy.stats import beta

    _require_counts(kept, decisions)
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha is a probability inside (0, 1), not {alpha}")
    low = float(beta.ppf(alpha / 2.0, kept, decisions - kept + 1)) if kept else 0.0
    high = float(beta.isf(alpha / 2.0, kept + 1, decisions - kept)) if kept < decisions else 1.0
    return low, high


def hypergeometric_test(a: int, b: int, c: int, d: int) -> float:
    """Return the exact two-sided p-value of independence in the 2x2 table ((a, b), (c, d)), margins fixed.

    Twice the smaller tail of the hypergeometric distribution of ``a``, at most 1 (Fisher's test with doubled
    tails).

    Args:
        a: Upper left count.
        b: Upper right count.
        c: Lower left count.
        d: Lower right count.

    Raises:
        ValueError: If a count is negative.
    """
    if min(a, b, c, d) < 0:
        raise ValueError(f"counts are not negative: {(a, b, c, d)}")
    total, row, column = a + b + c + d, a + b, a + c
    if min(row, total - row, column, total - column) == 0:
        return 1.0
    if a * total < row * column:
        return hypergeometric_test(b, a, d, c)
    # The median is the mean, rounded up or down (Siegel 2001), so the other tail is at least one half.
    return min(1.0, 2.0 * _hypergeometric_tail(a, total, row, column))


def _hypergeometric_tail(count: int, total: int, row: int, column: int) -> float:
    """Return P(X ≥ count) for a count not below the mean.

    Terms past 40 standard deviations and 400 counts are below 1e-100 of the first and left out, so large
    tables cost no more than these.
    """
    import numpy as np
    from scipy.special import gammaln

    spread = math.sqrt(row * column * (total - row) * (total - column) / (total**2 * (total - 1)))
    beyond = min(row, column) - count
    before = count + np.arange(min(beyond, math.ceil(40.0 * spread) + 400), dtype=np.float64)
    ratios = (row - before) * (column - before) / ((before + 1.0) * (total - row - column + before + 1.0))
    cells = np.array([count, row - count, column - count, total - row - column + count], dtype=np.float64)
    margins = np.array([row, total - row, column, total - column], dtype=np.float64)
    log_point = gammaln(margins + 1.0).sum() - gammaln(cells + 1.0).sum() - gammaln(total + 1.0)
    return math.exp(log_point) * float(1.0 + np.cumprod(ratios).sum())
