from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from droppath_audit.stats.mean import detectable_weighted_mean, weighted_mean_test

KEEP_PROB = st.floats(0.001, 0.999)


@st.composite
def weights(draw):
    values = draw(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=50))
    return sum(value**2 for value in values), max(values)


def test_the_bound_by_hand():
    # q = 1/2, 100 weights of 1, T = 10: V = 25, b = 1/2, u = 1/5.
    h = 1.2 * math.log(1.2) - 0.2
    assert weighted_mean_test(10.0, 100.0, 1.0, 0.5) == pytest.approx(2.0 * math.exp(-100.0 * h))
    assert weighted_mean_test(1.0, 1.0, 0.1, 0.5) == pytest.approx(2.0 * math.exp(-100.0 * h))


def test_the_largest_term_is_that_of_the_side_observed():
    # q = 9/10, 100 weights of 1: V = 9. Above, at T = 6, b = 1/10 and u = 1/15; below, b = 9/10 and u = 3/5.
    above, below = 16 / 15 * math.log(16 / 15) - 1 / 15, 1.6 * math.log(1.6) - 0.6
    assert weighted_mean_test(6.0, 100.0, 1.0, 0.9) == pytest.approx(2.0 * math.exp(-900.0 * above), rel=1e-9)
    assert weighted_mean_test(-6.0, 100.0, 1.0, 0.9) == pytest.approx(2.0 * math.exp(-100 / 9 * below), rel=1e-9)


@given(weights(), KEEP_PROB, st.floats(0.0, 1e3), st.floats(0.0, 1e3))
def test_larger_deviations_have_smaller_p_values(summary, keep_prob, one, other):
    near, far = sorted((one, other))
    for side in (1.0, -1.0):
        assert weighted_mean_test(side * far, *summary, keep_prob) <= weighted_mean_test(
            side * near, *summary, keep_prob
        )


@given(weights(), st.floats(0.001, 0.999), st.floats(-1e3, 1e3))
def test_exchanging_kept_and_dropped_turns_the_deviation_around(summary, keep_prob, deviation):
    mirrored = weighted_mean_test(-deviation, *summary, 1.0 - keep_prob)
    assert weighted_mean_test(deviation, *summary, keep_prob) == pytest.approx(mirrored, rel=1e-6, abs=1e-300)


@given(weights(), KEEP_PROB, st.floats(-1e3, 1e3), st.floats(0.01, 100.0))
def test_the_unit_of_the_weights_does_not_matter(summary, keep_prob, deviation, unit):
    squares, largest = summary
    scaled = weighted_mean_test(unit * deviation, unit**2 * squares, unit * largest, keep_prob)
    assert weighted_mean_test(deviation, squares, largest, keep_prob) == pytest.approx(scaled, rel=1e-6, abs=1e-300)


@given(weights(), KEEP_PROB, st.floats(-1e3, 1e3))
def test_the_bound_is_at_most_bernsteins(summary, keep_prob, deviation):
    squares, largest = summary
    variance = keep_prob * (1.0 - keep_prob) * squares
    reach = largest * max(keep_prob, 1.0 - keep_prob)
    bernstein = 2.0 * math.exp(-(deviation**2) / (2.0 * (variance + reach * abs(deviation) / 3.0)))
    assert weighted_mean_test(deviation, squares, largest, keep_prob) <= min(1.0, bernstein) * (1.0 + 1e-9)


# Ten thousand equal weights, where the variance decides how far a sum gets, and a single one, where its size does.
@example((1e4, 1.0), 0.5, 6.1e-11)
@example((1e4, 100.0), 0.8, 6.1e-11)
# A level and weights so near the ends of the floats that a search begun further out would begin at infinity.
@example((1e4, 1.0), 0.5, 1.2e-308)
@example((3e306, 1e150), 0.5, 6.1e-11)
@given(weights(), KEEP_PROB, st.sampled_from([1e-2, 6.1e-11]))
def test_what_is_detectable_rejects_with_room_for_a_miss(summary, keep_prob, alpha):
    shift = detectable_weighted_mean(*summary, keep_prob, alpha, 1e-3)
    rejecting = shift - math.sqrt(summary[0] * math.log(1e3) / 2.0)
    p_values = [weighted_mean_test(side * rejecting, *summary, keep_prob) for side in (1.0, -1.0)]
    assert max(p_values) == pytest.approx(alpha, rel=1e-6)


def test_no_deviation_is_no_evidence():
    assert weighted_mean_test(0.0, 4.0, 1.0, 0.9) == 1.0


@pytest.mark.parametrize("keep_prob", [0.0, 1.0, -1.0, float("nan")])
def test_keep_probabilities_without_randomness_are_refused(keep_prob):
    with pytest.raises(ValueError, match=f"not {keep_prob}"):
        weighted_mean_test(1.0, 4.0, 1.0, keep_prob)


@pytest.mark.parametrize(("squares", "largest"), [(4.0, 3.0), (4.0, 0.0), (0.0, 0.0), (-1.0, 1.0)])
def test_summaries_of_no_weights_are_refused(squares, largest):
    with pytest.raises(ValueError, match=f"no weights have a largest of {largest:g}"):
        detectable_weighted_mean(squares, largest, 0.5, 1e-3, 1e-3)


def test_the_sum_of_squares_may_miss_the_largest_weight_by_a_rounding():
    # Four is what 4/(1 + 1e-9) times 1 + 1e-9 rounds to.
    for short in (0.5e-9, 1e-9):
        assert weighted_mean_test(0.0, 4.0 / (1.0 + short), 2.0, 0.5) == 1.0
    for squares in (4.0 / (1.0 + 1.5e-9), 3.0):
        with pytest.raises(ValueError, match="no weights have a largest of 2"):
            weighted_mean_test(0.0, squares, 2.0, 0.5)
