"""The numbers of the plans, each against the distribution that it is about."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, entropy, norm

from droppath_audit.stats.design import (
    FLOAT32_MISS,
    divergence,
    information_bound,
    samples_for_binomial,
    samples_for_certificate,
    samples_for_hypergeometric,
)

ALPHA, BETA = 6.1e-11, 1e-3


@pytest.mark.parametrize("x", [2.0**-10, 0.125, 0.5, 0.875])
@pytest.mark.parametrize("exponent", range(1, 31))
def test_the_divergence_loses_no_more_than_the_difference_does(x, exponent, relative_entropy):
    # To a multiple of 2^-40, so that 1 - x and 1 - y are exact. Logarithms of x and y themselves would lose 1e-16.
    for difference in (2.0**-exponent, -(2.0**-exponent), 1.5 * 2.0**-exponent, -1.5 * 2.0**-exponent):
        y = x + difference
        if 0.0 < y < 1.0:
            allowed = 4.0 * 2.0**-52 * abs(difference)
            assert divergence(x, y) == pytest.approx(relative_entropy(x, y), rel=1e-15, abs=allowed)


def test_a_draw_in_float32_misses_by_the_spacing_of_float32_at_1():
    assert np.finfo(np.float32).eps == FLOAT32_MISS


def largest_miss(
    decisions: np.ndarray, keep_prob: float, discrepancy: float, tail: float, float32_miss: float = 0.0
) -> np.ndarray:
    """Return for each number how often the exact test misses an edge, with ``tail`` on the side of the edge.

    The promise is the keep probability within ``float32_miss`` that is nearest to the edge.
    """
    misses = [np.zeros(len(decisions))]
    for q in (keep_prob, 1.0 - keep_prob):
        if q + discrepancy < 1.0:
            most = binom.isf(tail, decisions, q + float32_miss)  # the largest count that is no rejection
            misses.append(binom.cdf(most, decisions, q + discrepancy))
    return np.max(misses, axis=0)


@pytest.mark.parametrize(("alpha", "beta"), [(ALPHA, BETA), (1e-3, 1e-2), (0.6, 1e-3)])
@pytest.mark.parametrize(
    ("keep_prob", "discrepancy"),
    [(0.5, 0.02), (0.1, 0.02), (0.9, 0.02), (0.02, 0.01), (0.98, 0.01), (0.7, 0.2), (0.1, 0.5), (0.9, 0.5)],
)
def test_the_binomial_sample_is_proven_and_two_counts_at_most_above_the_exact_one(alpha, beta, keep_prob, discrepancy):
    # A count less on either side moves the sample by 2/discrepancy.
    needed = samples_for_binomial(discrepancy, keep_prob, alpha, beta)
    decisions = np.arange(max(1, needed - math.ceil(12.0 / discrepancy)), needed + math.ceil(8.0 / discrepancy))
    missed = largest_miss(decisions, keep_prob, discrepancy, alpha / 2.0) > beta
    exact = decisions[missed].max() + 1
    assert 0.0 <= (needed - exact) * discrepancy / 2.0 <= 2.0


@pytest.mark.parametrize("keep_prob", [1e-5, 1e-4, 1.0 - 1e-4])
def test_near_0_and_1_the_cap_is_proven_and_few_counts_above_the_exact_one(keep_prob):
    resolution = 5e-5
    cap = samples_for_certificate(resolution, keep_prob, ALPHA, BETA)
    decisions = np.arange(cap - int(12.0 / resolution), cap + int(8.0 / resolution), 200)
    missed = largest_miss(decisions, keep_prob, resolution, 0.1 * ALPHA / 2.0, 2.0**-23) > 0.1 * BETA
    exact = decisions[missed].max() + 1
    assert 0.0 <= (cap - exact) * resolution / 2.0 <= 2.0


@pytest.mark.parametrize(
    ("keep_prob", "resolution"), [(0.5, 0.1), (0.9, 0.05), (0.1, 0.05), (0.25, 0.25), (0.75, 0.25), (0.95, 0.1)]
)
def test_the_information_bound_is_that_of_the_edge_that_is_easier_to_tell(keep_prob, resolution, relative_entropy):
    edges = [edge for edge in (keep_prob - resolution, keep_prob + resolution) if 0.0 < edge < 1.0]
    correct, at_edge = information_bound(keep_prob, resolution, ALPHA, BETA)
    passed, failed = relative_entropy(ALPHA, 1.0 - BETA), relative_entropy(BETA, 1.0 - ALPHA)
    assert correct == pytest.approx(passed / max(relative_entropy(keep_prob, edge) for edge in edges), rel=1e-9)
    assert at_edge == pytest.approx(failed / max(relative_entropy(edge, keep_prob) for edge in edges), rel=1e-9)


def pair(keep_prob: float, correlation: float) -> np.ndarray:
    """Return the joint law of two decisions."""
    margin = np.array([keep_prob, 1.0 - keep_prob])
    covariance = correlation * keep_prob * (1.0 - keep_prob)
    return np.outer(margin, margin) + covariance * np.array([[1.0, -1.0], [-1.0, 1.0]])


def signed_root(joint: np.ndarray) -> float:
    """Return the root of the deviance of one pair from independence with its own margins."""
    return math.sqrt(2.0 * entropy(joint.ravel(), np.outer(joint.sum(axis=1), joint.sum(axis=0)).ravel()))


def spread_of_the_root(joint: np.ndarray) -> float:
    """Return the standard deviation of the root, times that of the number of pairs, by numerical derivatives."""
    slopes = []
    for place in range(4):
        change = np.zeros(4)
        change[place] = 1e-6
        change = change.reshape(2, 2)
        up, down = joint + change, joint - change
        slopes.append((signed_root(up / up.sum()) - signed_root(down / down.sum())) / 2e-6)
    mean = joint.ravel() @ slopes
    return math.sqrt(joint.ravel() @ (np.array(slopes) - mean) ** 2)


def seen(pairs: int, keep_prob: float, correlation: float, spread: float) -> bool:
    nearer = correlation - 1.0 / (pairs * keep_prob * (1.0 - keep_prob))
    root = math.sqrt(pairs) * signed_root(pair(keep_prob, nearer)) if nearer > 0.0 else -math.inf
    return root - norm.isf(BETA) * spread >= norm.isf(ALPHA / 2.0)


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("correlation", [0.02, 0.2, 0.6])
def test_the_pairs_are_those_at_which_the_root_of_the_deviance_has_the_power(keep_prob, correlation):
    spread = spread_of_the_root(pair(keep_prob, correlation))
    needed = samples_for_hypergeometric(correlation, keep_prob, ALPHA, BETA)
    assert not seen(math.floor(needed * (1.0 - 1e-7)) - 1, keep_prob, correlation, spread)
    assert seen(math.ceil(needed * (1.0 + 1e-7)), keep_prob, correlation, spread)


@pytest.mark.parametrize("keep_prob", [1e-6, 0.1, 0.5, 0.9])
def test_of_pairs_that_are_always_alike_the_deviance_is_that_of_one_decision(keep_prob):
    # log P/P₀ is -log q for a pair that is kept and -log p for one that is dropped.
    law, logs = np.array([keep_prob, 1.0 - keep_prob]), -np.log([keep_prob, 1.0 - keep_prob])
    mean = law @ logs
    spread = math.sqrt(law @ (logs - mean) ** 2) / math.sqrt(2.0 * mean)
    needed = samples_for_hypergeometric(1.0, keep_prob, ALPHA, BETA)
    assert [seen(n, keep_prob, 1.0, spread) for n in (needed - 1, needed)] == [False, True]
