"""A weighted mean of mask decisions: bounds that are proven at every sample size. Standard library only."""

from __future__ import annotations

import math

from droppath_audit.stats.bisection import first_real


def _bennett(deviation: float, sum_of_squared_weights: float, largest_weight: float, keep_prob: float) -> float:
    """Return the bound of P(T ≥ deviation) for deviation > 0, keep_prob inside (0, 1)."""
    drop_prob = 1.0 - keep_prob
    variance = keep_prob * drop_prob * sum_of_squared_weights
    largest = largest_weight * drop_prob
    u = largest * deviation / variance
    return math.exp(-variance / largest**2 * ((1.0 + u) * math.log1p(u) - u))


def _require(sum_of_squared_weights: float, largest_weight: float, keep_prob: float) -> None:
    if not 0.0 < keep_prob < 1.0:
        raise ValueError(f"a keep probability inside (0, 1) is needed, not {keep_prob}")
    if not 0.0 < largest_weight**2 <= sum_of_squared_weights * (1.0 + 1e-9):
        raise ValueError(
            f"no weights have a largest of {largest_weight:g} and a sum of squares of {sum_of_squared_weights:g}"
        )


def weighted_mean_test(
    deviation: float, sum_of_squared_weights: float, largest_weight: float, keep_prob: float
) -> float:
    """Return a two-sided p-value bound for T = Σ wᵢ (mᵢ - q), mᵢ independent Bernoulli(q), wᵢ ≥ 0 fixed.

    Twice Bennett's bound on the side observed, at most 1 (Bennett 1962, Journal of the American Statistical
    Association 57, 33-45): with V = pq Σ wᵢ² and b the largest possible term, P(T ≥ t) ≤ exp(-(V/b²)
    h(bt/V)), h(u) = (1 + u) log(1 + u) - u. b is p·max w above and q·max w below, which is sharper than
    Bernstein's bound with the larger of the two. Valid at every number of decisions fixed in advance.

    Args:
        deviation: T, signed, in units of the weights.
        sum_of_squared_weights: Σ wᵢ².
        largest_weight: max wᵢ.
        keep_prob: q, inside (0, 1).

    Raises:
        ValueError: If ``keep_prob`` is not inside (0, 1) or the summaries belong to no weights.
    """
    _require(sum_of_squared_weights, largest_weight, keep_prob)
    if deviation == 0.0:
        return 1.0
    towards = keep_prob if deviation > 0.0 else 1.0 - keep_prob
    return min(1.0, 2.0 * _bennett(abs(deviation), sum_of_squared_weights, largest_weight, towards))


def detectable_weighted_mean(
    sum_of_squared_weights: float, largest_weight: float, keep_prob: float, alpha: float, beta: float
) -> float:
    """Return the smallest |E T| that ``weighted_mean_test`` is sure to see.

    At level ``alpha`` it is missed with probability at most ``beta``.     The sum of the deviation at which
    the test rejects on its less sensitive side and of Hoeffding's radius √(Σ wᵢ² log(1/beta)/2) (Hoeffding
    1963, Journal of the American Statistical Association 58, theorem 2), so it holds for decisions that are
    independent with any probabilities whatsoever. Divided by Σ wᵢ it is a discrepancy of the weighted keep
    frequency.

    Args:
        sum_of_squared_weights: Σ wᵢ².
        largest_weight: max wᵢ.
        keep_prob: q, inside (0, 1).
        alpha: Level of the test.
        beta: Probability of missing the shift.

    Raises:
        ValueError: As ``weighted_mean_test``.
    """
    _require(sum_of_squared_weights, largest_weight, keep_prob)
    # Bennett's exponent grows at least like t²/(2(V + bt/3)); this t makes both sides reject.
    exponent = math.log(2.0 / alpha)
    surely = math.sqrt(2.0 * exponent * sum_of_squared_weights) + 2.0 * exponent * largest_weight

    def rejects(deviation: float) -> bool:
        return all(
            weighted_mean_test(side * deviation, sum_of_squared_weights, largest_weight, keep_prob) <= alpha
            for side in (1.0, -1.0)
        )

    rejected = first_real(rejects, 0.0, surely)
    return rejected + math.sqrt(sum_of_squared_weights * math.log(1.0 / beta) / 2.0)
