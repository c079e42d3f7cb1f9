from __future__ import annotations

import math

import numpy as np
import pytest

from tools.calibrating.uniformity import RateTest, at_least, excesses, largest_excess


def test_the_tail_of_the_binomial_is_the_sum_of_its_terms():
    terms = [math.comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(13)]
    for count in range(13):
        assert at_least(count, 12, 0.3) == pytest.approx(sum(terms[count:]))


def test_counts_at_and_below_thresholds():
    found = excesses([0.0, 0.1, 0.1000001, 0.5, 1.0])
    assert [(one.threshold, one.count, one.allowed) for one in found[:3:2]] == [(0.5, 4, 2.5), (0.1, 2, 0.5)]
    assert found[2].p_value == pytest.approx(at_least(2, 5, 0.1))


def test_p_values_that_pile_up_at_one_value_are_found():
    # Of five tests the smallest p-value, uncorrected: 0.0039 where any of five rare things happened, otherwise 1.
    values = [0.0039] * 78 + [1.0] * 7922
    assert largest_excess(values)[1] > 0.1
    worst = min(excesses(values), key=lambda one: one.p_value)
    assert worst.threshold == 5e-3
    assert worst.p_value < 1e-6


def test_uniform_and_larger_p_values_are_not_suspected():
    uniform = ((np.arange(2000) + 0.5) / 2000).tolist()
    for values in (uniform, [math.sqrt(p) for p in uniform], [1.0] * 2000):
        assert min(one.p_value for one in excesses(values)) > 0.3
        assert largest_excess(values)[1] == 1.0


def test_p_values_that_forget_that_two_were_looked_at_are_found():
    # The smaller of two uniform p-values, whose distribution is 1 - (1 - t)^2.
    smaller = [1.0 - math.sqrt(1.0 - p) for p in (np.arange(2000) + 0.5) / 2000]
    excess, bound = largest_excess(smaller)
    assert excess == pytest.approx(0.25, abs=1e-3)
    assert bound == pytest.approx(math.exp(-2 * 2000 * 0.25**2), rel=0.1)
    assert min(one.p_value for one in excesses(smaller)) < 1e-9


def test_the_bound_holds_for_uniform_p_values():
    # Simulated at 5 %, where 2000 samples see it: 3.1 standard errors above 0.05 would be 0.065.
    rng = np.random.default_rng(np.random.SeedSequence(0))
    beyond = sum(largest_excess(rng.random(50).tolist())[1] <= 0.05 for _ in range(2000))
    assert beyond / 2000 <= 0.065


def test_no_p_values_are_an_error():
    with pytest.raises(ValueError, match="no p-values"):
        largest_excess([])


def test_a_rate_is_rejected_from_the_smallest_number_whose_tail_is_within_the_level():
    test = RateTest(0.01, 2000, 0.01)
    assert at_least(test.critical, 2000, 0.01) <= 0.01 < at_least(test.critical - 1, 2000, 0.01)
    assert test.power(0.01) <= 0.01
    assert 0.9 < test.power(0.02) < 0.95
