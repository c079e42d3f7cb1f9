from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from droppath_audit.stats.exact import binomial_interval, binomial_test, hypergeometric_test


@st.composite
def counts(draw, largest=10_000):
    decisions = draw(st.integers(1, largest))
    return draw(st.integers(0, decisions)), decisions


@pytest.mark.parametrize(
    ("kept", "decisions", "keep_prob"),
    [(5, 10, 0.3), (0, 10, 0.3), (10, 10, 0.3), (900, 1000, 0.9), (850, 1000, 0.9), (2, 65_536, 0.002)],
)
def test_the_binomial_test_is_twice_scipys_smaller_tail(kept, decisions, keep_prob):
    tails = [stats.binomtest(kept, decisions, keep_prob, side).pvalue for side in ("less", "greater")]
    assert binomial_test(kept, decisions, keep_prob) == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-9)


def test_the_binomial_test_stays_accurate_far_in_the_tail_and_at_many_decisions():
    # log P(X <= 0) is known in closed form, and a tail at 114 million decisions is nearly normal.
    assert binomial_test(0, 1000, 0.3) == pytest.approx(2.0 * 0.7**1000, rel=1e-9)
    decisions, deviation = 114_525_664, 7.0
    kept = round(decisions / 2 + deviation * decisions**0.5 / 2)
    assert binomial_test(kept, decisions, 0.5) == pytest.approx(2.0 * stats.norm.sf(deviation), rel=2e-3)


def test_at_keep_prob_0_and_1_one_wrong_decision_is_a_proof():
    assert binomial_test(10, 10, 1.0) == 1.0
    assert binomial_test(9, 10, 1.0) == 0.0
    assert binomial_test(0, 10, 0.0) == 1.0
    assert binomial_test(1, 10, 0.0) == 0.0


def test_no_decision_is_no_evidence():
    assert binomial_test(0, 0, 0.3) == 1.0
    assert binomial_interval(0, 0, 0.1) == (0.0, 1.0)


@given(counts(), st.floats(0.0, 1.0))
def test_the_binomial_test_is_symmetric_under_exchange_of_kept_and_dropped(count, keep_prob):
    kept, decisions = count
    # 1 - q is rounded, so q must be its own double complement.
    keep_prob = 1.0 - (1.0 - keep_prob)
    mirrored = binomial_test(decisions - kept, decisions, 1.0 - keep_prob)
    assert binomial_test(kept, decisions, keep_prob) == pytest.approx(mirrored, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("alpha", [0.05, 6.1e-11])
@pytest.mark.parametrize(("kept", "decisions"), [(0, 20), (20, 20), (7, 20), (899, 1000), (58_982, 65_536)])
def test_the_interval_is_scipys_clopper_pearson(kept, decisions, alpha):
    # scipy's own interval goes through brentq, accurate to 2e-12.
    expected = stats.binomtest(kept, decisions).proportion_ci(1.0 - alpha, method="exact")
    assert binomial_interval(kept, decisions, alpha) == pytest.approx(tuple(expected), rel=1e-5, abs=1e-11)


@given(counts(), st.floats(1e-12, 0.5))
def test_the_interval_contains_the_estimate_and_its_ends_are_where_the_test_rejects(count, alpha):
    kept, decisions = count
    low, high = binomial_interval(kept, decisions, alpha)
    assert 0.0 <= low <= kept / decisions <= high <= 1.0
    for end in (low, high):
        if 0.0 < end < 1.0:
            assume(binomial_test(kept, decisions, end) < 1.0)
            assert binomial_test(kept, decisions, end) == pytest.approx(alpha, rel=1e-6)


@given(st.tuples(*[st.integers(0, 300)] * 4))
def test_the_hypergeometric_test_is_twice_the_smaller_tail_of_fishers(table):
    a, b, c, d = table
    square = [[a, b], [c, d]]
    tails = [stats.fisher_exact(square, side).pvalue for side in ("less", "greater")]
    assert hypergeometric_test(a, b, c, d) == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-7, abs=1e-300)


def test_the_hypergeometric_test_is_exact_on_every_table_of_at_most_six():
    # Counted one by one: of the C(n, column) ways to choose who is in the left column, those with as many in its upper
    # cell. One entry, and two in a diagonal, have no spread to speak of.
    for a, b, c, d in itertools.product(range(7), repeat=4):
        row, rest, column = a + b, c + d, a + c
        if row + rest <= 6:
            ways = [math.comb(row, k) * math.comb(rest, column - k) for k in range(column + 1)]
            smaller_tail = min(sum(ways[a:]), sum(ways[: a + 1])) / math.comb(row + rest, column)
            assert hypergeometric_test(a, b, c, d) == pytest.approx(min(1.0, 2.0 * smaller_tail), rel=1e-12)


def test_the_hypergeometric_test_leaves_out_no_term_that_counts():
    # With all margins alike the distribution is symmetric about a quarter: both tails and that one count make up 1. A
    # standard deviation is 100 counts, so all but 6e-5 of the tail lies in the first 400 terms.
    quarter = 40_000
    at_the_mean = math.comb(2 * quarter, quarter) ** 2 / math.comb(4 * quarter, 2 * quarter)
    p_value = hypergeometric_test(quarter + 1, quarter - 1, quarter - 1, quarter + 1)
    assert p_value == pytest.approx(1.0 - at_the_mean, rel=1e-7)


def test_the_hypergeometric_test_of_a_large_table_costs_no_more_than_its_spread():
    # 99 % of 4e8 in the upper row and in the left column, and one standard deviation of 198 more than 40,000 in the
    # cell outside of both. Nearly four million counts lie beyond the observed one.
    outside = 40_198
    margin = 4_000_000 - outside
    inside = 400_000_000 - 2 * margin - outside
    tracemalloc.start()
    p_value = hypergeometric_test(inside, margin, margin, outside)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert p_value == pytest.approx(2.0 * stats.norm.sf(197.5 / 198.0), rel=1e-3)
    # Room for ten arrays of float64, one number a term up to 40 standard deviations and 400 counts.
    terms = 40 * 198 + 400
    assert peak < 10 * 8 * terms


def test_the_hypergeometric_test_handles_millions_of_pairs():
    # A quarter of 4 million pairs in each cell but for five standard deviations (500 counts each).
    p_value = hypergeometric_test(1_002_500, 997_500, 997_500, 1_002_500)
    assert p_value == pytest.approx(2.0 * stats.norm.sf(5.0), rel=0.01)


def test_the_hypergeometric_test_handles_billions_of_pairs():
    # A product of two cells does not fit into 64 bits. Five standard deviations of √(1.6e10)/4 counts.
    quarter, deviation = 4 * 10**9, 158_114
    more, fewer = quarter + deviation, quarter - deviation
    assert hypergeometric_test(more, fewer, fewer, more) == pytest.approx(2.0 * stats.norm.sf(5.0), rel=0.01)


@given(st.tuples(*[st.integers(0, 200)] * 4))
def test_the_hypergeometric_test_does_not_depend_on_the_order_of_rows_or_columns(table):
    a, b, c, d = table
    values = [hypergeometric_test(*order) for order in ((a, b, c, d), (c, d, a, b), (b, a, d, c), (a, c, b, d))]
    assert np.ptp(values) <= 1e-9 * max(values)


@pytest.mark.parametrize("table", [(0, 0, 0, 0), (5, 0, 5, 0), (5, 5, 0, 0), (0, 7, 0, 3)])
def test_an_empty_margin_is_no_evidence(table):
    assert hypergeometric_test(*table) == 1.0


@pytest.mark.parametrize("empty", [(0, 1), (2, 3), (0, 2), (1, 3)])
def test_an_empty_margin_is_no_evidence_where_logarithms_of_factorials_are_off_by_whole_numbers(empty):
    # These are of the size 1e16, and a float next to that is 2 away: their differences say nothing of a probability.
    cells = iter((3 * 10**14, 3 * 10**14 + 5))
    assert hypergeometric_test(*(0 if cell in empty else next(cells) for cell in range(4))) == 1.0


def test_impossible_input_is_refused_with_its_value():
    with pytest.raises(ValueError, match="11 kept of 10"):
        binomial_test(11, 10, 0.5)
    with pytest.raises(ValueError, match="-1 kept of 10"):
        binomial_interval(-1, 10, 0.5)
    with pytest.raises(ValueError, match=r"not 1\.5"):
        binomial_test(1, 10, 1.5)
    with pytest.raises(ValueError, match="not 0"):
        binomial_interval(1, 10, 0.0)
    with pytest.raises(ValueError, match=r"not 1\.0"):
        binomial_interval(1, 10, 1.0)
    for negative in range(4):
        table = [-3 if cell == negative else 5 for cell in range(4)]
        with pytest.raises(ValueError, match=rf"counts are not negative: \({', '.join(map(str, table))}\)"):
            hypergeometric_test(*table)
