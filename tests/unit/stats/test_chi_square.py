from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from droppath_audit.stats.chi_square import (
    frequency_table,
    goodness_of_fit,
    goodness_of_fit_of_few,
    pool,
    sparse_tail,
)

HISTOGRAM = st.lists(st.tuples(st.integers(0, 1000), st.floats(0.0, 1000.0)), min_size=1, max_size=40)


@given(HISTOGRAM, st.floats(1.0, 500.0))
def test_pooling_keeps_totals_and_leaves_no_small_cell(cells, minimum):
    observed, expected = zip(*cells, strict=True)
    pooled, means = pool(observed, expected, minimum)
    assert pooled.sum() == sum(observed)
    assert means.sum() == pytest.approx(sum(expected))
    assert means.size == 1 or means.min() >= minimum


@given(HISTOGRAM)
def test_which_cells_are_pooled_depends_on_the_expected_counts_alone(cells):
    observed, expected = zip(*cells, strict=True)
    assert (pool(observed, expected)[1] == pool([0] * len(expected), expected)[1]).all()


def test_pooling_joins_neighbours_from_the_left_and_the_rest_to_the_last():
    observed, expected = pool([1, 2, 3, 4, 5, 6], [40.0, 60.0, 150.0, 90.0, 20.0, 30.0])
    assert expected.tolist() == [100.0, 150.0, 110.0 + 30.0]
    assert observed.tolist() == [3.0, 3.0, 15.0]


def test_a_last_cell_that_expects_just_enough_stays_on_its_own():
    observed, expected = pool([1, 2], [100.0, 100.0])
    assert (observed.tolist(), expected.tolist()) == ([1.0, 2.0], [100.0, 100.0])


def test_pooled_whole_numbers_are_floats_and_need_not_fit_into_64_bits():
    many = 10**20
    for pooled in pool([60, 40, 300], [50, 50, 300]) + pool([many, 0, many], [many, 0, many]):
        assert pooled.dtype == np.float64
    assert pool([many, 0, many], [0, many, many])[0].tolist() == [1e20, 1e20]


@pytest.mark.parametrize(("observed", "expected"), [([1, 2], [1.0]), ([], []), ([[1]], [[1.0]])])
def test_pooling_wants_one_expected_count_for_each_observed(observed, expected):
    with pytest.raises(ValueError, match="one expected count is needed"):
        pool(observed, expected)


def test_goodness_of_fit_is_scipys_on_the_pooled_cells():
    expected = 20_000 * stats.binom.pmf(np.arange(65), 64, 0.9)
    observed = np.random.default_rng(np.random.SeedSequence(0)).multinomial(20_000, expected / 20_000)
    found = goodness_of_fit(observed, expected)
    counts, means = pool(observed, expected)
    for value, p_value, name in (
        (found.g, found.p_value, "log-likelihood"),
        (found.pearson, found.pearson_p_value, "pearson"),
    ):
        golden = stats.power_divergence(counts, means, lambda_=name)
        assert (value, p_value) == pytest.approx((golden.statistic, golden.pvalue))
    assert found.cells == counts.size == found.degrees_of_freedom + 1
    assert 5 < found.cells < 65


def test_a_perfect_fit_has_p_value_one():
    found = goodness_of_fit([200, 300], [200.0, 300.0])
    assert (found.g, found.p_value) == (0.0, 1.0)


def test_totals_that_disagree_are_refused():
    with pytest.raises(ValueError, match="500 were observed, 510 expected"):
        goodness_of_fit([200, 300], [200.0, 310.0])


def test_totals_may_disagree_by_one_in_a_hundred_million():
    observed = [50_200, 49_800]
    assert goodness_of_fit(observed, [5e4, 5e4 + 0.5e-3]).pearson == pytest.approx(1.6, rel=1e-5)
    with pytest.raises(ValueError, match="were observed"):
        goodness_of_fit(observed, [5e4, 5e4 + 1.5e-3])


def test_a_table_too_small_for_two_cells_is_refused():
    with pytest.raises(ValueError, match="150 expected in all do not fill two cells of 100"):
        goodness_of_fit([70, 80], [80.0, 70.0])


def test_few_entries_are_pooled_to_quarters_and_judged_by_the_sparse_bound():
    found = goodness_of_fit_of_few([4, 3, 1, 0, 0, 0, 0, 0], [1.0] * 8)
    # Observed 7, 1, 0 and 0 where 2 are expected each; the bound by hand.
    g, pearson = 2.0 * (7.0 * math.log(3.5) + math.log(0.5)), (25.0 + 1.0 + 4.0 + 4.0) / 2.0
    assert (found.cells, found.degrees_of_freedom) == (4, 3)
    assert (found.g, found.pearson) == pytest.approx((g, pearson), rel=1e-12)
    assert found.p_value == pytest.approx(math.exp(3.0 - g / 2.0) * (g / 6.0) ** 3, rel=1e-12)
    assert found.pearson_p_value == pytest.approx(math.exp(3.0 - pearson / 2.0) * (pearson / 6.0) ** 3, rel=1e-12)


def test_few_entries_are_compared_with_what_each_cell_expects():
    found = goodness_of_fit_of_few([9, 3, 0], [6.0, 3.0, 3.0])
    g, pearson = 18.0 * math.log(1.5), 9.0 / 6.0 + 0.0 + 9.0 / 3.0
    assert (found.g, found.pearson, found.cells) == (pytest.approx(g), pytest.approx(pearson), 3)


def test_few_entries_fill_a_cell_with_a_quarter_but_for_a_billionth():
    for short, cells in ((0.5e-9, 4), (1.5e-9, 3)):
        expected = [2.0 * (1.0 - short), 2.0 * (1.0 + short), 2.0, 2.0]
        assert goodness_of_fit_of_few([2, 2, 2, 2], expected).cells == cells


def test_two_cells_are_enough_for_few_entries_and_one_is_refused():
    found = goodness_of_fit_of_few([12, 0], [6.0, 6.0])
    assert (found.g, found.cells) == (pytest.approx(24.0 * math.log(2.0)), 2)
    with pytest.raises(ValueError, match="one cell holds nearly all that is expected"):
        goodness_of_fit_of_few([3, 97], [1.0, 99.0])


def test_expected_counts_of_few_entries_are_scaled_to_their_number():
    observed, expected = [7, 1, 0, 4], [3.0, 3.0, 3.0, 3.0]
    scaled = goodness_of_fit_of_few(observed, [mean * 1.001 for mean in expected])
    assert scaled.g == pytest.approx(goodness_of_fit_of_few(observed, expected).g, rel=1e-12)


def test_a_frequency_table_adds_one_degree_of_freedom_a_cell():
    kept, decisions, keep_prob = [9100, 1200, 700], [10_000, 2000, 1000], [0.9, 0.6, 0.7]
    found = frequency_table(kept, decisions, keep_prob)
    g = sum(
        2.0 * (k * math.log(k / (n * q)) + (n - k) * math.log((n - k) / (n - n * q)))
        for k, n, q in zip(kept, decisions, keep_prob, strict=True)
    )
    pearson = sum((k - n * q) ** 2 / (n * q * (1.0 - q)) for k, n, q in zip(kept, decisions, keep_prob, strict=True))
    assert found.degrees_of_freedom == found.cells == 3
    assert (found.g, found.p_value) == pytest.approx((g, stats.chi2.sf(g, 3)))
    assert (found.pearson, found.pearson_p_value) == pytest.approx((pearson, stats.chi2.sf(pearson, 3)))


def test_a_frequency_table_takes_counts_that_do_not_fit_into_64_bits():
    # Both statistics grow in proportion to the counts while the frequency stays as it is.
    found, many = frequency_table([600], [1000], [0.5]), frequency_table([600 * 10**18], [10**21], [0.5])
    assert (many.g, many.pearson) == pytest.approx((found.g * 1e18, found.pearson * 1e18), rel=1e-9)


def test_a_frequency_table_sees_a_class_that_never_occurs():
    found = frequency_table([100_000], [100_000], [0.998])
    assert found.g == pytest.approx(-2.0 * 100_000 * math.log(0.998))
    assert found.p_value == pytest.approx(stats.chi2.sf(found.g, 1))
    assert frequency_table([0], [1000], [0.5]).g == pytest.approx(2.0 * 1000 * math.log(2.0))


@pytest.mark.parametrize("keep_prob", [0.0, 1.0, -0.1, 1.1, float("nan")])
def test_cells_without_randomness_are_refused(keep_prob):
    with pytest.raises(ValueError, match=f"keep_prob {keep_prob:g} has no chi-square"):
        frequency_table([500, 5], [1000, 10], [0.5, keep_prob])


def test_cells_that_expect_too_few_are_refused_and_a_hundred_is_enough():
    with pytest.raises(ValueError, match=r"990 decisions at keep_prob 0\.9 expect 99 in the smaller class"):
        frequency_table([900], [990], [0.9])
    assert frequency_table([900], [1000], [0.9]).p_value == pytest.approx(1.0)


@pytest.mark.parametrize("short", [0.5e-12, 1e-12])
def test_a_cell_may_expect_a_hundred_but_for_a_trillionth(short):
    # 1024 is a power of two, so a hundred is missed by what is said and no rounding.
    frequency_table([100], [1024], [100.0 * (1.0 - short) / 1024])
    with pytest.raises(ValueError, match="expect 100 in the smaller class"):
        frequency_table([100], [1024], [100.0 * (1.0 - 1.5e-12) / 1024])


def test_tables_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="cells disagree: 2, 1 and 1"):
        frequency_table([1, 2], [1000], [0.5])
    with pytest.raises(ValueError, match="cells disagree: 0, 0 and 0"):
        frequency_table([], [], [])
    with pytest.raises(ValueError, match="1001 kept of 1000"):
        frequency_table([1001], [1000], [0.5])


def test_rounding_below_zero_is_a_perfect_fit_and_not_a_p_value_that_nothing_can_reach():
    found = goodness_of_fit([200, 300], [200.00000000000003, 300.0])
    assert (found.g, found.p_value) == (0.0, 1.0)


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e4), st.integers(2, 300))
def test_the_sparse_bound_falls_with_the_statistic_and_is_above_chi_square(one, other, cells):
    low, high = sorted((one, other))
    assert 0.0 <= sparse_tail(high, cells) <= sparse_tail(low, cells) <= 1.0
    assert sparse_tail(high, cells) >= stats.chi2.sf(high, cells - 1) * (1.0 - 1e-9)


def test_the_sparse_bound_by_hand():
    assert sparse_tail(10.0, 2) == pytest.approx(math.exp(-5.0) * math.e * 5.0)
    assert sparse_tail(60.0, 5) == pytest.approx(math.exp(-30.0) * (math.e * 7.5) ** 4)
    assert sparse_tail(8.0, 5) == 1.0
    assert sparse_tail(12.0, 5) == pytest.approx(math.exp(-6.0) * (math.e * 1.5) ** 4)


def test_the_sparse_bound_needs_two_cells():
    with pytest.raises(ValueError, match="not 1"):
        sparse_tail(3.0, 1)
