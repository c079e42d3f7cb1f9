"""Size and power of the tests that groups keep the same share, at the alpha in use and in the shapes in use.

How: one group against the rest by enumeration, of the rejected counts for each number kept in all, averaged over the
likely numbers; the statistic G by importance sampling (each group beta-binomial of the right mean and inflated
variance, weighted back to the binomial), with the standard error of each estimate; power by simulation of 2000 tables
at the discrepancy stated, where at most 1e-3 may be missed: 9 of 2000 are exceeded once in 20 000 such simulations.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binom, chi2, hypergeom

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.homogeneity import (
    all_alike,
    detectable_all_alike,
    detectable_one_against_rest,
    one_against_rest,
)

ALPHA = share(DEFAULT_BUDGET)
SPANS = tuple(1024 * calls for calls in (1, *(2**power for power in range(13))))

pytestmark = pytest.mark.calibration


def g_statistics(kept: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Return G of many tables, of shape (tables, groups)."""
    pooled = kept.sum(axis=1, keepdims=True) / decisions.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(kept > 0, kept * np.log(kept / (decisions * pooled)), 0.0)
        dropped = decisions - kept
        second = np.where(dropped > 0, dropped * np.log(dropped / (decisions * (1.0 - pooled))), 0.0)
    return 2.0 * (first + second).sum(axis=1)


def size_of_g(decisions: np.ndarray, keep_prob: float, alpha: float, samples: int = 200_000) -> tuple[float, float]:
    """Return (size, standard error) of ``all_alike`` for groups that need no pooling."""
    rng = np.random.default_rng(np.random.SeedSequence(0))
    degrees = len(decisions) - 1
    critical = chi2.isf(alpha, degrees)
    inflation = critical / degrees
    log_weight, columns = np.zeros(samples), []
    for n in decisions:
        # A beta-binomial's variance is npq (1 + (n - 1)/(a + b + 1)).
        total = (n - 1) / (inflation - 1.0) - 1.0
        a, b = keep_prob * total, (1.0 - keep_prob) * total
        drawn = betabinom.rvs(n, a, b, size=samples, random_state=rng)
        log_weight += binom.logpmf(drawn, n, keep_prob) - betabinom.logpmf(drawn, n, a, b)
        columns.append(drawn)
    contribution = np.exp(log_weight) * (g_statistics(np.stack(columns, axis=1), decisions) >= critical)
    return float(contribution.mean()), float(contribution.std() / samples**0.5)


def test_the_vectorised_statistic_is_the_one_that_judges():
    rng = np.random.default_rng(np.random.SeedSequence(0))
    decisions = np.array([400, 500, 600])
    kept = rng.binomial(decisions, 0.6, size=(20, 3))
    expected = [all_alike(row.tolist(), decisions.tolist()).g for row in kept]
    assert g_statistics(kept, decisions) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("decisions", "keep_prob", "alpha"),
    [
        (np.full(8, 6144), 0.7, ALPHA / 8),  # DP109, positions of 8
        (np.full(8, 1024), 0.7, ALPHA / 8),  # the same at quick effort
        (np.full(20, 1000), 0.9, ALPHA),  # a hundred dropped expected in each
        (np.array(SPANS), 0.7, ALPHA),  # DP112
    ],
    ids=["positions", "positions-quick", "hundred-expected", "spans"],
)
def test_g_rejects_correct_code_at_most_1_2_times_as_often_as_it_says(decisions, keep_prob, alpha):
    size, error = size_of_g(decisions, keep_prob, alpha)
    assert error < 0.1 * alpha
    assert size < 1.2 * alpha + 4.0 * error


@pytest.mark.parametrize(("decisions", "rest"), [(300, 300), (200, 1400)])
def test_one_against_the_rest_never_exceeds_its_level(decisions, rest):
    for alpha in (ALPHA, 1e-3):
        total, keep_prob, size = decisions + rest, 0.7, 0.0
        for kept in range(int(total * 0.6), int(total * 0.8)):
            counts = np.arange(max(0, kept - rest), min(decisions, kept) + 1)
            wrong = [one_against_rest((int(k), kept - int(k)), (decisions, rest), 0) <= alpha for k in counts]
            size += binom.pmf(kept, total, keep_prob) * hypergeom.pmf(counts, total, kept, decisions)[wrong].sum()
        assert size <= alpha
        assert size > 0.1 * alpha


@pytest.mark.parametrize(("groups", "calls"), [(8, 6144), (64, 6144), (64, 204_800)])
def test_a_position_off_by_the_stated_discrepancy_is_seen(groups, calls):
    rng = np.random.default_rng(np.random.SeedSequence(0))
    away = detectable_all_alike(calls, groups, 0.7, ALPHA / 8, BETA)
    keep_prob = np.full(groups, 0.7)
    keep_prob[3] -= away
    kept = rng.binomial(calls, keep_prob, size=(2000, groups))
    missed = int((g_statistics(kept, np.full(groups, calls)) < chi2.isf(ALPHA / 8, groups - 1)).sum())
    assert missed <= 9


@pytest.mark.parametrize(
    ("decisions", "rest", "keep_prob", "tests"),
    [
        (8192, 4_352_512, 0.3, 8),  # DP110, batches of one
        (20_000, 262_144, 0.7, 3),  # DP113, first decisions
        (1_572_864, 1_572_864, 0.7, 8),  # DP111, halves of a batch
    ],
    ids=["DP110", "DP113", "DP111"],
)
def test_a_group_off_by_the_stated_discrepancy_is_seen(decisions, rest, keep_prob, tests):
    rng = np.random.default_rng(np.random.SeedSequence(0))
    away = detectable_one_against_rest(decisions, rest, keep_prob, ALPHA / tests, BETA)
    for sign in (-1.0, 1.0):
        missed = 0
        for _ in range(1000):
            kept = int(rng.binomial(decisions, keep_prob + sign * away)), int(rng.binomial(rest, keep_prob))
            missed += one_against_rest(kept, (decisions, rest), 0) > ALPHA / tests
        assert missed <= 7
