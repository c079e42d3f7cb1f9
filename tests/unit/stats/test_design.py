from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from droppath_audit.stats.design import (
    NOTHING,
    detectable_binomial,
    detectable_chi_square,
    detectable_hypergeometric,
    divergence,
    information_bound,
    samples_for_binomial,
    samples_for_certificate,
    samples_for_chi_square,
    samples_for_hypergeometric,
    upper_quantile,
)

ALPHA, BETA = 6.1e-11, 1e-3
KEEP_PROB = st.floats(0.01, 0.99)
COUNT = st.integers(200, 10**8)


def test_quantiles_are_accurate_in_the_far_tail():
    for tail in (0.3, 1e-3, 3e-12, 1e-16):
        assert upper_quantile(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-9)


@given(st.floats(0.0, 1.0), st.floats(1e-9, 1.0 - 1e-9))
def test_the_divergence_is_the_relative_entropy(x, y):
    expected = float(np.sum(stats.entropy([x, 1.0 - x], [y, 1.0 - y])))
    assert divergence(x, y) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_divergence_is_accurate_where_the_two_are_close():
    # Second order Taylor series, relative error δ(p - q)/(3pq) to third order.
    assert divergence(0.5, 0.5 + 1e-6) == pytest.approx(2e-12, rel=1e-3)
    assert divergence(1e-7, 2e-7) == pytest.approx(1e-7 * (1.0 - math.log(2.0)), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(COUNT, KEEP_PROB)
def test_binomial_twins_are_inverse(decisions, keep_prob):
    discrepancy = detectable_binomial(decisions, keep_prob, ALPHA, BETA)
    if discrepancy < max(keep_prob, 1.0 - keep_prob):
        assert samples_for_binomial(discrepancy, keep_prob, ALPHA, BETA) <= decisions
        assert samples_for_binomial(discrepancy * (1.0 - 1e-6), keep_prob, ALPHA, BETA) >= decisions


@settings(max_examples=40, deadline=None)
@given(COUNT, KEEP_PROB)
def test_hypergeometric_twins_are_inverse(pairs, keep_prob):
    correlation = detectable_hypergeometric(pairs, keep_prob, ALPHA, BETA)
    if correlation < 0.2:
        assert samples_for_hypergeometric(correlation, keep_prob, ALPHA, BETA) <= pairs
        assert samples_for_hypergeometric(correlation * (1.0 - 1e-6), keep_prob, ALPHA, BETA) >= pairs


@settings(max_examples=20, deadline=None)
@given(COUNT, st.integers(1, 200))
def test_chi_square_twins_are_inverse(n, degrees):
    effect = detectable_chi_square(n, degrees, ALPHA, BETA)
    assert samples_for_chi_square(effect, degrees, ALPHA, BETA) == pytest.approx(n, abs=1)


@pytest.mark.parametrize("degrees", [1, 12, 100])
def test_the_chi_square_effect_has_the_promised_power(degrees):
    effect = detectable_chi_square(1000, degrees, ALPHA, BETA)
    power = stats.ncx2.sf(stats.chi2.isf(ALPHA, degrees), degrees, 1000 * effect**2)
    assert power == pytest.approx(1.0 - BETA, abs=1e-8)


def test_with_one_degree_the_chi_square_effect_is_the_normal_one():
    effect = detectable_chi_square(1, 1, ALPHA, BETA)
    assert effect == pytest.approx(upper_quantile(ALPHA / 2.0) + upper_quantile(BETA), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(COUNT, COUNT, KEEP_PROB)
def test_more_decisions_detect_less(one, other, keep_prob):
    few, many = sorted((one, other))
    for detectable in (detectable_binomial, detectable_hypergeometric):
        assert detectable(many, keep_prob, ALPHA, BETA) <= detectable(few, keep_prob, ALPHA, BETA)


@pytest.mark.parametrize("detectable", [detectable_binomial, detectable_hypergeometric])
def test_too_few_decisions_detect_nothing(detectable):
    assert detectable(5, 0.5, ALPHA, BETA) == NOTHING


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 0.999999), st.floats(1e-4, 0.2))
def test_a_cap_is_at_least_the_formula(keep_prob, resolution):
    quantiles = upper_quantile(0.05 * ALPHA) + upper_quantile(0.1 * BETA)
    formula = 1.02 * quantiles**2 * keep_prob * (1.0 - keep_prob) / resolution**2
    assert samples_for_certificate(resolution, keep_prob, ALPHA, BETA) >= formula


@pytest.mark.parametrize("keep_prob", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_for_ordinary_keep_probabilities_the_cap_is_the_formula(keep_prob):
    quantiles = upper_quantile(0.05 * ALPHA) + upper_quantile(0.1 * BETA)
    formula = math.ceil(1.02 * quantiles**2 * keep_prob * (1.0 - keep_prob) / 5e-4**2)
    assert samples_for_certificate(5e-4, keep_prob, ALPHA, BETA) == formula


def test_near_one_the_cap_is_what_the_exact_test_needs():
    # Under q = 1 - 1e-7 six drops are a rejection; at the edge fewer occur once in 10 000 at most.
    cap = samples_for_certificate(5e-5, 1.0 - 1e-7, ALPHA, BETA)
    critical = int(stats.binom.isf(0.05 * ALPHA, cap, 1e-7 + 2.0**-23)) + 1
    assert stats.binom.cdf(critical - 1, cap, 1e-7 + 5e-5) <= 0.1 * BETA
    assert cap < 600_000


def test_the_information_bound_by_hand():
    correct, at_edge = information_bound(0.5, 0.1, ALPHA, BETA)
    assert correct == pytest.approx(math.log(1.0 / BETA) / divergence(0.5, 0.6), rel=1e-6)
    assert at_edge == pytest.approx(
        (0.999 * math.log(0.999 / ALPHA) + BETA * math.log(BETA)) / divergence(0.6, 0.5), rel=1e-6
    )


def test_an_edge_outside_is_left_out_of_the_information_bound():
    correct, _ = information_bound(0.95, 0.1, ALPHA, BETA)
    assert correct == pytest.approx(math.log(1.0 / BETA) / divergence(0.95, 0.85), rel=1e-6)


def test_impossible_plans_are_refused_with_their_value():
    for keep_prob in (0.0, 1.0, 1.5, float("nan")):
        for call in (
            lambda q: samples_for_binomial(0.1, q, ALPHA, BETA),
            lambda q: detectable_binomial(100, q, ALPHA, BETA),
            lambda q: samples_for_certificate(0.1, q, ALPHA, BETA),
            lambda q: samples_for_hypergeometric(0.1, q, ALPHA, BETA),
            lambda q: detectable_hypergeometric(100, q, ALPHA, BETA),
            lambda q: information_bound(q, 0.1, ALPHA, BETA),
        ):
            with pytest.raises(ValueError, match=f"not {keep_prob}"):
                call(keep_prob)
    with pytest.raises(ValueError, match=r"differs from 0\.7 by 0\.7 or more"):
        samples_for_binomial(0.7, 0.7, ALPHA, BETA)
    with pytest.raises(ValueError, match="positive, not 0"):
        samples_for_binomial(0.0, 0.7, ALPHA, BETA)
    with pytest.raises(ValueError, match=r"not at 1e-08"):
        samples_for_certificate(1e-8, 0.7, ALPHA, BETA)
    with pytest.raises(ValueError, match=r"differs from 0\.5 by 0\.6"):
        information_bound(0.5, 0.6, ALPHA, BETA)
    for correlation in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match=f"not {correlation}"):
            samples_for_hypergeometric(correlation, 0.5, ALPHA, BETA)
