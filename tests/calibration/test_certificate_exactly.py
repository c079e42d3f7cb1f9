"""Error rates of the certificate, exactly.

Shows that a correct target fails with probability at most alpha = 6.1e-11, that one at the edge passes with
probability at most beta = 1e-3, and that the intervals miss at most as often as they say; every probability
is exact up to rounding. How: dynamic programming over (decisions, kept) on a fixed grid of looks. Mass flows
to the next look by convolution with a binomial and is taken out where the rule stops. The resolutions are
coarse, so that the whole process fits; the bounds do not depend on them. A simulation at alpha = 1e-2 checks
the programme itself.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.certificate import Certificate

ALPHA = share(DEFAULT_BUDGET)
MISS = 2.0**-23
NOTHING = 1e-30  # mass that is left out

# (keep_prob, resolution, decisions a look); no cap is a multiple of the look, so the last look overshoots.
CELLS = [(0.9, 0.05, 64), (0.5, 0.1, 50), (0.02, 0.02, 97), (1e-7, 5e-5, 2**14)]
EDGES = [
    (keep_prob, resolution, look, edge)
    for keep_prob, resolution, look in CELLS
    for edge in (keep_prob - resolution, keep_prob + resolution)
    if 0.0 < edge < 1.0
]


def one_look(keep_prob: float, look: int) -> np.ndarray:
    mass = binom.pmf(np.arange(look + 1), look, keep_prob)
    mass[mass <= NOTHING] = 0.0
    return np.trim_zeros(mass, "b")


def stop_probabilities(certificate: Certificate, keep_prob: float, look: int) -> dict[str, float]:
    """Return the probabilities of ``fail`` and ``pass``, and the expected number of decisions."""
    step = one_look(keep_prob, look)
    alive = np.array([1.0])
    result = {"fail": 0.0, "pass": 0.0, "decisions": 0.0}
    decisions = 0
    while alive.size:
        alive = np.convolve(alive, step)
        decisions += look
        for kept in np.flatnonzero(alive > NOTHING):
            outcome = certificate.outcome(int(kept), decisions)
            if outcome != "open":
                result[outcome] += alive[kept]
                result["decisions"] += alive[kept] * decisions
                alive[kept] = 0.0
        alive[alive <= NOTHING] = 0.0
        alive = np.trim_zeros(alive, "b")
    return result


def miss_probability(certificate: Certificate, keep_prob: float, look: int, looks: int) -> float:
    """Return the probability that some interval of the first ``looks`` looks misses ``keep_prob``."""
    step = one_look(keep_prob, look)
    alive = np.array([1.0])
    missed = 0.0
    for index in range(1, looks + 1):
        alive = np.convolve(alive, step)
        for kept in np.flatnonzero(alive > NOTHING):
            low, high = certificate.interval(int(kept), index * look)
            if not low <= keep_prob <= high:
                missed += alive[kept]
                alive[kept] = 0.0
    return float(missed)


@pytest.mark.parametrize(("keep_prob", "resolution", "look"), CELLS)
def test_a_correct_target_fails_with_probability_at_most_alpha(keep_prob, resolution, look):
    certificate = Certificate(keep_prob, resolution, ALPHA)
    for truth in (max(keep_prob - MISS, 0.0), keep_prob, keep_prob + MISS):
        found = stop_probabilities(certificate, truth, look)
        assert found["fail"] <= ALPHA
        assert found["fail"] + found["pass"] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("keep_prob", "resolution", "look"), CELLS[:3])
def test_the_false_alarms_are_not_far_below_alpha_either(keep_prob, resolution, look):
    # Below a hundredth decisions would be wasted. In the last cell single counts weigh too much for that.
    assert stop_probabilities(Certificate(keep_prob, resolution, ALPHA), keep_prob, look)["fail"] > ALPHA / 100.0


@pytest.mark.parametrize(("keep_prob", "resolution", "look", "edge"), EDGES)
def test_a_target_at_the_edge_passes_with_probability_at_most_beta(keep_prob, resolution, look, edge):
    found = stop_probabilities(Certificate(keep_prob, resolution, ALPHA), edge, look)
    assert BETA / 20.0 < found["pass"] <= BETA
    assert found["fail"] == pytest.approx(1.0 - found["pass"], abs=1e-9)


@pytest.mark.parametrize("distance", [1.5, 3.0])
def test_a_target_beyond_the_edge_passes_more_rarely_still(distance):
    found = stop_probabilities(Certificate(0.5, 0.1, ALPHA), 0.5 + 0.1 * distance, 50)
    assert found["pass"] <= BETA / 10.0


def test_at_every_beta_the_false_passes_stay_below_it():
    for beta in (1e-1, 1e-2, 1e-4):
        assert stop_probabilities(Certificate(0.5, 0.1, ALPHA, beta), 0.6, 50)["pass"] <= beta


def test_expected_decisions_is_within_a_tenth_of_the_exact_number():
    # Looks of 64 add half a look, 32 of 2000; the approximation is one of many small steps.
    certificate = Certificate(0.7, 0.05, ALPHA)
    exact = stop_probabilities(certificate, 0.7, 64)["decisions"]
    assert exact - 32 == pytest.approx(certificate.expected_decisions(), rel=0.1)


@pytest.mark.calibration
@pytest.mark.parametrize(("keep_prob", "looks"), [(0.5, 40), (0.9, 40), (0.01, 40)])
def test_some_interval_of_many_misses_with_probability_at_most_alpha(keep_prob, looks):
    missed = miss_probability(Certificate(keep_prob, 0.005, ALPHA), keep_prob, 64, looks)
    assert ALPHA / 1000.0 < missed <= ALPHA


@pytest.mark.parametrize("truth", [0.9999, 0.999, 0.99])
def test_intervals_at_keep_prob_one_cover_other_truths(truth):
    assert miss_probability(Certificate(1.0, 1e-4, 1e-2), truth, 256, 40) <= 1e-2


def test_a_simulation_at_one_percent_agrees_with_the_dynamic_programme():
    # 20 000 runs; the standard error of a frequency f is sqrt(f(1-f)/20 000), and four of them are allowed.
    certificate = Certificate(0.5, 0.1, 1e-2, 1e-2)
    exact = stop_probabilities(certificate, 0.55, 50)
    rng = np.random.default_rng(np.random.SeedSequence(0))
    runs, failed, kept, decisions = 20_000, 0, np.zeros(20_000, dtype=np.int64), 0
    while kept.size:
        kept = kept + rng.binomial(50, 0.55, kept.size)
        decisions += 50
        outcomes = {int(value): certificate.outcome(int(value), decisions) for value in np.unique(kept)}
        verdicts = np.array([outcomes[int(value)] for value in kept])
        failed += int((verdicts == "fail").sum())
        kept = kept[verdicts == "open"]
    error = (exact["fail"] * (1.0 - exact["fail"]) / runs) ** 0.5
    assert abs(failed / runs - exact["fail"]) < 4.0 * error
