"""Size and power of the exact tests, and their published sample sizes, at alpha = 1e-9 and beta = 1e-3.

How: enumeration over the counts; where a 2x2 table has three free counts, 20 000 simulated tables, each
judged by ``hypergeometric_test`` itself, with the standard error of the frequency. A published number is
confirmed when the test has the promised power there and lacks it with somewhat fewer (7 to 15 %, stated with
each). Exact minima: 159 pairs (published 162) and 42 (43) for decisions that copy each other, about 8440
(9000) and 10 650 (11 900) for one in ten. The published 197 and 30 calls, and 73, 156 and 322 batches, belong
to a one-sided test, as does 2460 for antithetic halves; the two-sided ones, which judge, need 204 and 31; 75,
161 and 332; about 2560.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.chi_square import frequency_table
from droppath_audit.stats.design import (
    detectable_binomial,
    detectable_chi_square,
    samples_for_binomial,
    samples_for_chi_square,
    samples_for_hypergeometric,
    upper_quantile,
)
from droppath_audit.stats.exact import binomial_interval, binomial_test, hypergeometric_test

ALPHA = share(DEFAULT_BUDGET)
QUOTED = 1e-9


def rejected(decisions: int, keep_prob: float, alpha: float) -> np.ndarray:
    return np.array([binomial_test(k, decisions, keep_prob) <= alpha for k in range(decisions + 1)])


def table_power(pairs: int, keep_prob: float, correlation: float, runs: int) -> float:
    """Return the frequency at which the 2x2 test rejects simulated pairs of this correlation."""
    drop_prob = 1.0 - keep_prob
    shared = correlation * keep_prob * drop_prob
    cells = np.array([keep_prob**2 + shared, *[keep_prob * drop_prob - shared] * 2, drop_prob**2 + shared])
    rng = np.random.default_rng(np.random.SeedSequence(0))
    tables = rng.multinomial(pairs, cells.clip(0.0) / cells.clip(0.0).sum(), size=runs)
    return float(np.mean([hypergeometric_test(*map(int, table)) <= QUOTED for table in tables]))


@pytest.mark.parametrize("alpha", [QUOTED, ALPHA, 1e-2])
@pytest.mark.parametrize(("decisions", "keep_prob"), [(50, 0.5), (200, 0.9), (3000, 0.998), (4000, 0.3)])
def test_the_binomial_test_holds_its_level(decisions, keep_prob, alpha):
    mass = binom.pmf(np.arange(decisions + 1), decisions, keep_prob)
    assert mass[rejected(decisions, keep_prob, alpha)].sum() <= alpha


@pytest.mark.parametrize("alpha", [QUOTED, ALPHA, 1e-2])
@pytest.mark.parametrize(("total", "row", "column"), [(80, 40, 40), (500, 450, 50), (5000, 500, 500)])
def test_the_hypergeometric_test_holds_its_level_at_every_margin(total, row, column, alpha):
    both = np.arange(max(0, row + column - total), min(row, column) + 1)
    size = sum(
        hypergeom.pmf(a, total, row, column)
        for a in map(int, both)
        if hypergeometric_test(a, row - a, column - a, total - row - column + a) <= alpha
    )
    assert size <= alpha


@pytest.mark.parametrize("alpha", [1e-3, ALPHA])
def test_the_exact_interval_covers(alpha):
    decisions, keep_prob = 400, 0.93
    mass = binom.pmf(np.arange(decisions + 1), decisions, keep_prob)
    missed = 0.0
    for kept in range(decisions + 1):
        low, high = binomial_interval(kept, decisions, alpha)
        missed += mass[kept] * (not low <= keep_prob <= high)
    assert missed <= alpha


@pytest.mark.parametrize("alpha", [1e-6, ALPHA])
@pytest.mark.parametrize(("keep_prob", "discrepancy"), [(0.5, 0.2), (0.9, 0.05), (0.98, 0.01), (0.02, 0.1)])
def test_planned_binomial_samples_suffice_and_are_not_many_too_many(keep_prob, discrepancy, alpha):
    def power(decisions: int) -> float:
        counts = np.arange(decisions + 1)
        reject = rejected(decisions, keep_prob, alpha)
        edges = [edge for edge in (keep_prob - discrepancy, keep_prob + discrepancy) if 0.0 < edge < 1.0]
        return min(binom.pmf(counts, decisions, edge)[reject].sum() for edge in edges)

    needed = samples_for_binomial(discrepancy, keep_prob, alpha, BETA)
    assert all(power(needed + more) >= 1.0 - BETA for more in (0, 1, 2, 5, 17, 100))
    # The proof gives away about one count in each tail: two counts' worth of decisions, and rounding.
    wasted = 4.0 / discrepancy
    assert power(max(int(needed - wasted), 1)) < 1.0 - BETA


@pytest.mark.parametrize("decisions", [300, 3000])
def test_what_is_detectable_is_detected(decisions):
    discrepancy = detectable_binomial(decisions, 0.7, ALPHA, BETA)
    reject = rejected(decisions, 0.7, ALPHA)
    for edge in (0.7 - discrepancy, 0.7 + discrepancy):
        if edge < 1.0:
            assert binom.pmf(np.arange(decisions + 1), decisions, edge)[reject].sum() >= 1.0 - BETA


@pytest.mark.parametrize(("keep_prob", "exact", "published"), [(0.9, 159, 162), (0.5, 42, 43)])
def test_pairs_needed_for_decisions_that_copy_each_other(keep_prob, exact, published):
    def power(pairs: int) -> float:
        both = np.arange(pairs + 1)
        reject = [hypergeometric_test(int(a), 0, 0, pairs - int(a)) <= QUOTED for a in both]
        return float(binom.pmf(both, pairs, keep_prob)[reject].sum())

    assert power(exact) >= 1.0 - BETA > power(exact - 1)
    assert power(published) >= 1.0 - BETA > power(int(0.93 * published))
    # The planning twin is an approximation, and this strongest of all correlations its worst case.
    assert 0.9 * exact <= samples_for_hypergeometric(1.0, keep_prob, QUOTED, BETA) <= exact


@pytest.mark.calibration
@pytest.mark.parametrize(
    ("keep_prob", "correlation", "published", "shortfall"),
    # One decision in ten copies its neighbour; antithetic halves at q = .7 have the least correlation.
    [(0.5, 0.1, 9000, 0.12), (0.9, 0.1, 11_900, 0.15), (0.7, -3.0 / 7.0, 265, 0.1)],
)
def test_pairs_needed_for_weaker_dependence(keep_prob, correlation, published, shortfall):
    # With 20 000 tables four standard errors of a frequency of 1e-3 are 9e-4.
    assert 1.0 - table_power(published, keep_prob, correlation, 20_000) < BETA + 9e-4
    assert 1.0 - table_power(int((1.0 - shortfall) * published), keep_prob, correlation, 20_000) > BETA


@pytest.mark.calibration
def test_antithetic_halves_at_nine_tenths_need_somewhat_more_than_published():
    # 2460 pairs suffice for a one-sided test; with doubled tails power is 0.997 there, 0.999 from 2560 on.
    assert 1.0 - table_power(2460, 0.9, -1.0 / 9.0, 20_000) > BETA
    assert 1.0 - table_power(2600, 0.9, -1.0 / 9.0, 20_000) < BETA + 9e-4


@pytest.mark.parametrize(("change", "published"), [(1.0, 762), (0.5, 3047), (0.1, 76_170)])
def test_decisions_needed_where_the_drop_probability_depends_on_the_half(change, published):
    # Published is the normal approximation, (z(alpha/2) + z(beta))²/φ², the last figure rounded to tens.
    correlation = 2.0 * change * 0.1 / (2.0 * (0.9 * 0.1) ** 0.5)
    needed = ((upper_quantile(QUOTED / 2.0) + upper_quantile(BETA)) / correlation) ** 2
    assert math.ceil(needed) == pytest.approx(published, abs=2)


@pytest.mark.parametrize(("chance", "published"), [(0.5**2, 73), (0.5**3, 156), (0.5**4, 322), (0.1, 197), (0.5, 30)])
def test_calls_needed_where_something_never_happens(chance, published):
    # Redraw when all are dropped (B = 2, 3, 4); the first of a batch never dropped (q = .9, .5).
    one_sided = next(n for n in range(1, 1000) if binom.cdf(0, n, chance) <= QUOTED)
    two_sided = next(n for n in range(1, 1000) if binomial_test(n, n, 1.0 - chance) <= QUOTED)
    assert one_sided == published
    assert two_sided == math.ceil(math.log(QUOTED / 2.0) / math.log1p(-chance))


@pytest.mark.parametrize(("keep_prob", "correlation"), [(0.5, 0.2), (0.7, 0.2), (0.9, 0.2), (0.3, 0.1)])
def test_planned_pairs_suffice_and_are_at_most_a_tenth_too_many(keep_prob, correlation):
    # Power 0.99 instead of 0.999, so that 3000 tables can tell: four standard errors are 0.0073.
    needed = samples_for_hypergeometric(correlation, keep_prob, QUOTED, 1e-2)
    lowest = -min(keep_prob / (1.0 - keep_prob), (1.0 - keep_prob) / keep_prob)
    signs = [sign for sign in (1.0, -1.0) if sign * correlation >= lowest]
    assert min(table_power(needed, keep_prob, s * correlation, 3000) for s in signs) > 0.99 - 0.0073
    assert min(table_power(int(0.9 * needed), keep_prob, s * correlation, 3000) for s in signs) < 0.99


@pytest.mark.calibration
def test_planned_frequency_tables_have_the_promised_power():
    # One cell of twelve is wrong; 4000 tables at beta = 0.05: four standard errors are 0.014.
    decisions, cells = 20_000, 12
    discrepancy = detectable_chi_square(decisions, cells, ALPHA, 0.05) * 0.5
    rng = np.random.default_rng(np.random.SeedSequence(0))
    kept = rng.binomial(decisions, 0.5, size=(4000, cells))
    kept[:, 0] = rng.binomial(decisions, 0.5 + discrepancy, size=4000)
    missed = [frequency_table(row.tolist(), [decisions] * cells, [0.5] * cells).p_value > ALPHA for row in kept]
    assert abs(np.mean(missed) - 0.05) < 0.014
    assert samples_for_chi_square(discrepancy / 0.5, cells, ALPHA, 0.05) == pytest.approx(decisions, abs=1)
