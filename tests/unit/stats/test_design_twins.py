"""A sample that is needed, and what it resolves: inverse to each other to the last decision."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from droppath_audit.stats.bisection import first_real
from droppath_audit.stats.design import (
    detectable_binomial,
    detectable_certificate,
    detectable_chi_square,
    detectable_dkw,
    detectable_hypergeometric,
    samples_for_binomial,
    samples_for_certificate,
    samples_for_chi_square,
    samples_for_dkw,
    samples_for_hypergeometric,
)

ALPHA, BETA, MISS = 6.1e-11, 1e-3, 2.0**-23
TWINS = {
    "binomial": (samples_for_binomial, detectable_binomial),
    "certificate": (samples_for_certificate, detectable_certificate),
    "hypergeometric": (samples_for_hypergeometric, detectable_hypergeometric),
}


@pytest.mark.parametrize("twins", TWINS)
@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("decisions", [300, 1000, 10**6])
def test_what_is_resolved_takes_all_of_the_sample_and_a_little_less_takes_more(twins, keep_prob, decisions):
    needed, detectable = TWINS[twins]
    found = detectable(decisions, keep_prob, ALPHA, BETA)
    assert found < (1.0 if twins == "hypergeometric" else max(keep_prob, 1.0 - keep_prob))
    assert needed(found, keep_prob, ALPHA, BETA) == decisions
    assert needed(found * (1.0 - 1e-11), keep_prob, ALPHA, BETA) == decisions + 1


@pytest.mark.parametrize("keep_prob", [0.1, 0.9])
def test_a_discrepancy_that_is_possible_on_one_side_alone_is_planned_for(keep_prob):
    for needed, detectable in (TWINS["binomial"], TWINS["certificate"]):
        decisions = needed(0.5, keep_prob, ALPHA, BETA)
        found = detectable(decisions, keep_prob, ALPHA, BETA)
        assert 0.45 < found <= 0.5
        assert needed(found, keep_prob, ALPHA, BETA) == decisions


@pytest.mark.parametrize(("twins", "sample"), [("binomial", 20), ("certificate", 40)])
def test_a_resolution_a_billionth_short_of_the_largest_is_still_found(twins, sample):
    needed, detectable = TWINS[twins]
    size = 0.5 * (1.0 - 1.5e-9)
    # For an error chosen so that this sample is just enough.
    beta = first_real(lambda beta: needed(size, 0.5, 0.01, beta) <= sample, 1e-200, 0.5)
    assert needed(size * (1.0 - 1e-12), 0.5, 0.01, beta) > sample
    assert detectable(sample, 0.5, 0.01, beta) == pytest.approx(size, rel=1e-11)


@pytest.mark.parametrize("twins", TWINS)
def test_a_handful_resolves_nothing_which_is_a_discrepancy_of_1(twins):
    assert [TWINS[twins][1](few, 0.5, ALPHA, BETA) for few in (1, 2, 5)] == [1.0, 1.0, 1.0]


def test_a_certificate_is_not_settled_by_a_resolution_that_no_keep_probability_can_miss():
    # At q = 0.001 two decisions are enough for the formula; but even two kept of two are no rejection.
    assert detectable_certificate(2, 0.001, ALPHA, BETA) == 1.0


def test_no_pairs_resolve_nothing():
    assert detectable_hypergeometric(0, 0.5, ALPHA, BETA) == 1.0


def test_of_a_correlation_something_must_be_left_one_count_nearer_to_independence():
    # One count of 8 pairs is a correlation of 1/2 at q = 1/2. Errors this large would be content with none left.
    assert samples_for_hypergeometric(0.5, 0.5, 0.5, 0.999) == 9


@pytest.mark.parametrize("twins", ["binomial", "certificate"])
def test_a_discrepancy_that_leads_to_the_furthest_keep_probability_or_beyond_is_refused(twins):
    for keep_prob in (0.3, 0.7):
        for size in (0.7, 0.8, 1.1):
            with pytest.raises(ValueError, match=rf"{size}"):
                TWINS[twins][0](size, keep_prob, ALPHA, BETA)


def test_a_certificate_does_not_resolve_what_a_draw_can_miss_by():
    with pytest.raises(ValueError, match=r"not at 1\.19"):
        samples_for_certificate(MISS, 0.5, ALPHA, BETA)
    finest = detectable_certificate(10**30, 0.5, ALPHA, BETA)
    assert finest == pytest.approx(MISS, rel=1e-6)
    for keep_prob in (0.0, 1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"not {keep_prob}"):
            detectable_certificate(100, keep_prob, ALPHA, BETA)


@pytest.mark.parametrize("degrees", [1, 12])
@pytest.mark.parametrize("effect", [0.03, 0.2, 1.7])
def test_the_chi_square_sample_is_the_smallest_that_resolves_the_effect(degrees, effect):
    n = samples_for_chi_square(effect, degrees, ALPHA, BETA)
    resolved = [detectable_chi_square(sample, degrees, ALPHA, BETA) for sample in (n, n - 1)]
    assert resolved[0] <= effect < resolved[1]


@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 1e-6), (0.05, 1e-12), (1e-12, 0.3), (0.3, 1e-9)])
def test_with_one_degree_the_chi_square_effect_is_that_of_a_shifted_normal(alpha, beta):
    # χ² of one degree is Z² about the shift w: within ±√critical with probability beta.
    shift = detectable_chi_square(1, 1, alpha, beta)
    root = math.sqrt(chi2.isf(alpha, 1))
    assert norm.cdf(root - shift) - norm.cdf(-root - shift) == pytest.approx(beta, rel=1e-6)


def test_any_effect_will_do_where_the_level_alone_misses_no_more_than_allowed():
    assert detectable_chi_square(1, 1, 0.2, 0.9) == pytest.approx(0.0, abs=1e-7)


def test_dkw_is_the_inequality_with_massarts_constant():
    n = samples_for_dkw(0.01, 1e-9, 1e-3)
    reaches = [math.sqrt(math.log(2.0 / error) / (2.0 * n)) for error in (1e-9, 1e-3)]
    assert sum(reaches) <= 0.01 < sum(reaches) * math.sqrt(n / (n - 1)) + 1e-9
    assert detectable_dkw(n, 1e-9, 1e-3) <= 0.01 < detectable_dkw(n - 1, 1e-9, 1e-3)
    assert detectable_dkw(1, 1e-9, 1e-3) == 1.0
    with pytest.raises(ValueError, match="positive"):
        samples_for_dkw(0.0, 0.1, 0.1)


def test_dkw_keeps_its_errors_where_the_variance_is_largest():
    # 20 000 runs; four standard errors of a frequency at the bound are allowed. The bound itself is far from tight.
    alpha, beta, runs = 0.05, 0.05, 20_000
    n = samples_for_dkw(0.05, alpha, beta)
    reach = math.sqrt(math.log(2.0 / alpha) / (2.0 * n))
    rng = np.random.default_rng(np.random.SeedSequence(0))
    allowed = 4.0 * math.sqrt(0.05 * 0.95 / runs)
    assert np.mean(abs(rng.binomial(n, 0.5, runs) / n - 0.5) > reach) <= alpha + allowed
    assert np.mean(abs(rng.binomial(n, 0.55, runs) / n - 0.5) <= reach) <= beta + allowed
