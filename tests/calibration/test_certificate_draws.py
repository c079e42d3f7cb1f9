"""Decisions a certificate takes, against the published figures and the information bounds.

How: binomial batches (65 536 decisions a look, or 1024 for the coarse cell) from SeedSequence(0), stopped by
``Certificate.settled`` itself. Every comparison carries the standard error of the simulated mean; the figures
published with two digits are means of earlier simulations, which these confirm to 2 %: 20.3, 7.4 and 4.2
million are the better values (60 000 runs: 20.30 ± 0.03, 7.40 ± 0.01, 4.16 ± 0.006 at looks of 65 536).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.design import information_bound, samples_for_binomial
from droppath_audit.stats.exact import binomial_test

ALPHA = 1e-9


def draws(certificate: Certificate, keep_prob: float, look: int, runs: int) -> tuple[float, float]:
    """Return mean and standard error of the decisions until the certificate is settled."""
    rng = np.random.default_rng(np.random.SeedSequence(0))
    kept, decisions, stopped = np.zeros(runs, dtype=np.int64), 0, []
    while kept.size:
        kept = kept + rng.binomial(look, keep_prob, kept.size)
        decisions += look
        settled = np.array([certificate.settled(int(value), decisions) for value in kept])
        stopped += [decisions] * int(settled.sum())
        kept = kept[~settled]
    return float(np.mean(stopped)), float(np.std(stopped) / runs**0.5)


@pytest.mark.parametrize(
    ("keep_prob", "resolution", "published"),
    [(0.5, 5e-4, 20.1e6), (0.9, 5e-4, 7.3e6), (0.1, 5e-4, 7.3e6), (0.002, 1e-4, 4.1e6), (0.998, 1e-4, 4.1e6)],
)
def test_draws_on_correct_code(keep_prob, resolution, published):
    certificate = Certificate(keep_prob, resolution, ALPHA)
    mean, error = draws(certificate, keep_prob, 65_536, 1000)
    assert abs(mean - published) < 0.02 * published + 4.0 * error
    assert abs(mean - 32_768 - certificate.expected_decisions()) < 0.02 * mean + 4.0 * error


@pytest.mark.calibration
@pytest.mark.parametrize(("truth", "published"), [(0.9, 452_000), (0.902, 1_050_000)])
def test_draws_at_resolution_two_thousandths(truth, published):
    mean, error = draws(Certificate(0.9, 0.002, ALPHA), truth, 1024, 400)
    # The published figures are rounded to three digits (0.5 %).
    assert abs(mean - 512 - published) < 0.005 * published + 4.0 * error


def test_the_information_bounds_are_307_000_and_925_000():
    correct, at_edge = information_bound(0.9, 0.002, ALPHA, 1e-3)
    assert correct == pytest.approx(307_000, rel=0.5 / 307)
    assert at_edge == pytest.approx(925_000, rel=1.0 / 925)


@pytest.mark.calibration
def test_the_certificate_stays_within_half_again_of_the_information_bound():
    certificate = Certificate(0.9, 0.002, ALPHA)
    for truth, bound in zip((0.9, 0.902), information_bound(0.9, 0.002, ALPHA, 1e-3), strict=True):
        mean, error = draws(certificate, truth, 1024, 200)
        assert bound < mean + 4.0 * error
        assert mean - 4.0 * error < 1.5 * bound


def test_a_fixed_exact_test_needs_about_1_45_million_decisions():
    needed = samples_for_binomial(0.002, 0.9, 1e-6, 1e-3)
    assert needed == pytest.approx(1.45e6, rel=0.005 / 1.45)

    def power(decisions: int) -> float:
        low = int(binom.ppf(5e-7, decisions, 0.9)) - 2
        while binomial_test(low + 1, decisions, 0.9) <= 1e-6:
            low += 1
        high = int(binom.isf(5e-7, decisions, 0.9)) + 2
        while binomial_test(high - 1, decisions, 0.9) <= 1e-6:
            high -= 1
        return min(binom.cdf(low, decisions, 0.898), binom.sf(high - 1, decisions, 0.902))

    assert power(needed) >= 0.999 > power(int(0.99 * needed))
