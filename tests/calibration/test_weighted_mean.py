"""Size and power of the weighted mean test.

Shows that the bound is at least the true tail, at alpha = 6.1e-11 and 1e-2, and how much it gives away. How:
the exact distribution of T for integer weights, by convolution over the decisions; a simulation at 1e-2 for
real weights.
"""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.mean import detectable_weighted_mean, weighted_mean_test

ALPHA = share(DEFAULT_BUDGET)
WEIGHTS = np.resize([1, 2, 3, 7], 2000)


def distribution(keep_prob: np.ndarray) -> np.ndarray:
    """Return the exact law of Σ wᵢ mᵢ over 0 … Σ wᵢ, for one keep probability a decision."""
    law = np.array([1.0])
    for weight, q in zip(WEIGHTS, keep_prob, strict=True):
        step = np.zeros(weight + 1)
        step[0], step[weight] = 1.0 - q, q
        law = np.convolve(law, step)
    return law


def p_values(keep_prob: float) -> np.ndarray:
    sums = np.arange(WEIGHTS.sum() + 1)
    squares, largest = float((WEIGHTS**2).sum()), float(WEIGHTS.max())
    return np.array(
        [weighted_mean_test(float(s - keep_prob * WEIGHTS.sum()), squares, largest, keep_prob) for s in sums]
    )


@pytest.mark.parametrize("alpha", [ALPHA, 1e-2])
@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.9, 0.98])
def test_the_bound_holds_its_level(keep_prob, alpha):
    size = distribution(np.full(2000, keep_prob))[p_values(keep_prob) <= alpha].sum()
    assert 0.0 < size <= alpha


@pytest.mark.parametrize("keep_prob", [0.5, 0.9])
def test_what_is_detectable_is_detected(keep_prob):
    squares, largest = float((WEIGHTS**2).sum()), float(WEIGHTS.max())
    shift = detectable_weighted_mean(squares, largest, keep_prob, ALPHA, BETA) / WEIGHTS.sum()
    for truth in (keep_prob - shift, keep_prob + shift):
        if truth < 1.0:
            missed = distribution(np.full(2000, truth))[p_values(keep_prob) > ALPHA].sum()
            assert missed <= BETA


def test_a_mask_that_depends_on_the_weight_is_detected():
    # Large weights are dropped more often, others kept more often: the plain frequency stays as promised.
    squares, largest = float((WEIGHTS**2).sum()), float(WEIGHTS.max())
    truth = np.where(WEIGHTS == 7, 0.05, 0.65)
    assert truth.mean() == pytest.approx(0.5)
    assert abs((WEIGHTS * (truth - 0.5)).sum()) > detectable_weighted_mean(squares, largest, 0.5, ALPHA, BETA)
    assert distribution(truth)[p_values(0.5) > ALPHA].sum() <= BETA


def test_at_one_percent_simulated_means_fail_at_most_as_often_as_promised():
    # 20 000 means: four standard errors at 1 % are 0.0028.
    rng = np.random.default_rng(np.random.SeedSequence(0))
    weights = np.abs(rng.normal(size=1000))
    kept = rng.random((20_000, 1000)) < 0.9
    deviations = (kept - 0.9) @ weights
    squares, largest = float((weights**2).sum()), float(weights.max())
    failures = np.mean([weighted_mean_test(float(t), squares, largest, 0.9) <= 0.01 for t in deviations])
    assert 0.0 < failures < 0.01 + 0.0028
