from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from droppath_audit.stats.design import NOTHING
from droppath_audit.stats.homogeneity import (
    all_alike,
    detectable_all_alike,
    detectable_one_against_rest,
    neighbours,
    one_against_rest,
)

ALPHA, BETA = 6.1e-11, 1e-3


def test_g_is_that_of_a_contingency_table():
    kept, decisions = [700, 650, 720, 2900], [1000, 1000, 1000, 4000]
    fit = all_alike(kept, decisions)
    table = np.array([kept, np.subtract(decisions, kept)])
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert fit is not None
    assert (fit.g, fit.p_value, fit.degrees_of_freedom) == pytest.approx((expected[0], expected[1], 3))
    pearson = stats.chi2_contingency(table, correction=False)
    assert (fit.pearson, fit.pearson_p_value) == pytest.approx((pearson[0], pearson[1]))


def test_counts_need_not_fit_into_64_bits():
    # Both statistics grow in proportion to the counts while the shares stay as they are.
    fit = all_alike([700, 650, 720], [1000, 1000, 1000])
    many = all_alike([700 * 10**18, 650 * 10**18, 720 * 10**18], [10**21] * 3)
    assert fit is not None
    assert many is not None
    assert (many.g, many.pearson) == pytest.approx((fit.g * 1e18, fit.pearson * 1e18), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=12))
def test_every_group_that_is_left_expects_a_hundred_kept_and_dropped(groups):
    kept, decisions = [k for k, _ in groups], [k + d for k, d in groups]
    fit = all_alike(kept, decisions)
    smaller = min(sum(kept), sum(decisions) - sum(kept))
    if smaller < 200:
        assert fit is None
    elif fit is not None:
        assert 2 <= fit.cells <= smaller / 100 + 1e-9
        assert fit.degrees_of_freedom == fit.cells - 1


def test_groups_are_added_up_until_they_expect_enough_and_no_further():
    # At a half kept, 200 decisions expect a hundred of each.
    assert neighbours([200, 200], 0.5) == [range(1), range(1, 2)]
    assert neighbours([199, 1, 200], 0.5) == [range(2), range(2, 3)]
    assert neighbours([200, 199, 1, 200], 0.5) == [range(1), range(1, 3), range(3, 4)]
    assert neighbours([200, 200, 199], 0.5) == [range(1), range(1, 3)]
    fit = all_alike([210, 190], [400, 400])
    assert fit is not None
    assert fit.cells == 2


def test_a_group_may_expect_a_hundred_but_for_a_trillionth():
    # Half of this share is exact, so 200 decisions expect as much less than a hundred as is said.
    for short in (0.5e-12, 1e-12):
        assert len(neighbours([200, 200], 0.5 * (1.0 - short))) == 2
    assert len(neighbours([200, 200], 0.5 * (1.0 - 1.5e-12))) == 1


def test_one_group_or_one_fate_leaves_nothing_to_compare():
    assert all_alike([700], [1000]) is None
    assert all_alike([1000, 1000], [1000, 1000]) is None
    assert all_alike([0, 0], [1000, 1000]) is None
    assert all_alike([], []) is None


def test_a_wrong_keep_probability_common_to_all_is_not_seen():
    fit = all_alike([100_000] * 8, [1_000_000] * 8)
    assert fit is not None
    assert fit.g == pytest.approx(0.0, abs=1e-6)
    assert one_against_rest([100_000] * 8, [1_000_000] * 8, 0) == 1.0


def test_one_against_the_rest_is_fishers_test():
    kept, decisions = [9, 30, 31], [10, 50, 50]
    smaller_tail = stats.fisher_exact([[9, 1], [61, 39]], alternative="greater").pvalue
    assert one_against_rest(kept, decisions, 0) == pytest.approx(2.0 * smaller_tail)


@pytest.mark.parametrize(("kept", "decisions"), [([5], [4]), ([-1, 2], [4, 4]), ([1, 2], [4])])
def test_impossible_counts_are_refused(kept, decisions):
    with pytest.raises(ValueError, match="no counts"):
        all_alike(kept, decisions)


def test_more_decisions_or_a_larger_rest_detect_less():
    assert detectable_all_alike(4000, 8, 0.7, ALPHA, BETA) < detectable_all_alike(1000, 8, 0.7, ALPHA, BETA)
    assert detectable_all_alike(4000, 8, 0.7, ALPHA, BETA) < detectable_all_alike(4000, 64, 0.7, ALPHA, BETA)
    assert detectable_one_against_rest(4000, 10**6, 0.7, ALPHA, BETA) < detectable_one_against_rest(
        4000, 4000, 0.7, ALPHA, BETA
    )
    assert detectable_one_against_rest(3, 10**6, 0.5, ALPHA, BETA) == NOTHING


@pytest.mark.parametrize("groups", [8, 2])
def test_one_group_in_so_many_is_missed_as_often_as_planned(groups):
    # A group off by d moves the common share by d/K: Pearson's statistic of the expected table is the noncentrality.
    each, keep_prob = 4000, 0.7
    shift = detectable_all_alike(each, groups, keep_prob, ALPHA, BETA)
    expected = each * (np.array([keep_prob + shift] + [keep_prob] * (groups - 1)) - keep_prob - shift / groups)
    noncentrality = np.sum(expected**2) / (each * keep_prob * (1.0 - keep_prob))
    critical = stats.chi2.isf(ALPHA, groups - 1)
    assert stats.ncx2.cdf(critical, groups - 1, noncentrality) == pytest.approx(BETA, rel=1e-6)


def test_two_groups_of_one_size_are_planned_alike_by_both():
    by_table = detectable_all_alike(100_000, 2, 0.7, ALPHA, BETA)
    assert detectable_one_against_rest(100_000, 100_000, 0.7, ALPHA, BETA) == pytest.approx(by_table, rel=0.02)
