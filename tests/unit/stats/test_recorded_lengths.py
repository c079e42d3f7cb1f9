"""What a recording's decisions resolve: the twin of a certificate's cap, and the tables of few entries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.recording import RECORDED, BlockFacts
from droppath_audit.probes.certifying import group_resolved
from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.chi_square import goodness_of_fit_of_few
from droppath_audit.stats.design import (
    NOTHING,
    detectable_certificate,
    detectable_hypergeometric,
    samples_for_certificate,
)
from droppath_audit.stats.exact import binomial_test
from droppath_audit.stats.homogeneity import all_alike, one_against_rest

ALPHA, BETA = 1e-6 / 2**14, 1e-3


@pytest.mark.parametrize("keep_prob", [0.002, 0.1, 0.5, 0.9, 0.998])
@pytest.mark.parametrize("decisions", [200, 2_560, 100_000])
def test_a_certificate_at_what_is_resolved_is_settled_by_the_decisions_there_are(
    keep_prob: float, decisions: int
) -> None:
    resolution = detectable_certificate(decisions, keep_prob, ALPHA, BETA)
    assert samples_for_certificate(resolution, keep_prob, ALPHA, BETA) <= decisions
    assert samples_for_certificate(resolution * 0.999, keep_prob, ALPHA, BETA) > decisions
    certificate = Certificate(keep_prob, resolution, ALPHA, BETA)
    assert {certificate.outcome(kept, decisions) for kept in range(0, decisions + 1, max(1, decisions // 200))} <= {
        "pass",
        "fail",
    }


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("decisions", [200, 1_000])
def test_size_and_power_of_that_certificate_by_enumeration(keep_prob: float, decisions: int) -> None:
    resolution = detectable_certificate(decisions, keep_prob, ALPHA, BETA)
    certificate = Certificate(keep_prob, resolution, ALPHA, BETA)
    fails = np.array([certificate.outcome(kept, decisions) == "fail" for kept in range(decisions + 1)])
    counts = np.arange(decisions + 1)
    assert binom.pmf(counts, decisions, keep_prob)[fails].sum() <= ALPHA
    for edge in (keep_prob - resolution, keep_prob + resolution):
        if 0.0 < edge < 1.0:
            assert binom.pmf(counts, decisions, edge)[~fails].sum() <= BETA


def test_a_handful_of_decisions_resolves_nothing() -> None:
    assert detectable_certificate(4, 0.5, ALPHA, BETA) == NOTHING
    with pytest.raises(ValueError, match="inside"):
        detectable_certificate(100, 1.0, ALPHA, BETA)


def compositions(total: int, parts: int) -> np.ndarray:
    """Return every way to distribute ``total`` over ``parts`` cells."""
    bars = itertools.combinations(range(total + parts - 1), parts - 1)
    return np.array([np.diff([-1, *bar, total + parts - 1]) - 1 for bar in bars])


@pytest.mark.parametrize(("calls", "batch", "keep_prob"), [(12, 3, 0.5), (30, 2, 0.5), (30, 2, 0.9), (20, 3, 0.7)])
@pytest.mark.parametrize("alpha", [0.1, 1e-2, 1e-4])
def test_size_of_the_table_of_few_entries_with_an_estimated_share(
    calls: int, batch: int, keep_prob: float, alpha: float
) -> None:
    tables = compositions(calls, batch + 1)
    counts = np.arange(batch + 1)
    probabilities = multinomial.pmf(tables, calls, binom.pmf(counts, batch, keep_prob))
    assert math.isclose(probabilities.sum(), 1.0, rel_tol=1e-9)
    rejected = 0.0
    for table, probability in zip(tables, probabilities, strict=True):
        share = float(counts @ table) / (calls * batch)
        try:
            fit = goodness_of_fit_of_few(table, calls * binom.pmf(counts, batch, share))
        except ValueError:
            continue
        rejected += probability * (fit.p_value <= alpha)
    assert rejected <= alpha


@pytest.mark.parametrize(
    ("calls", "batch", "keep_prob"), [(30, 2, 0.5), (30, 2, 0.9), (40, 2, 0.7), (20, 3, 0.5), (16, 4, 0.6)]
)
@pytest.mark.parametrize("alpha", [0.1, 1e-2, 1e-4])
def test_size_of_the_count_of_calls_decided_as_a_whole_with_an_estimated_share(
    calls: int, batch: int, keep_prob: float, alpha: float
) -> None:
    tables = compositions(calls, batch + 1)
    counts = np.arange(batch + 1)
    probabilities = multinomial.pmf(tables, calls, binom.pmf(counts, batch, keep_prob))
    rejected = 0.0
    for table, probability in zip(tables, probabilities, strict=True):
        share = float(counts @ table) / (calls * batch)
        alike, chance = int(table[0] + table[-1]), share**batch + (1.0 - share) ** batch
        p_value = binomial_test(alike, calls, chance) if alike > calls * chance else 1.0
        rejected += probability * (p_value <= alpha)
    assert rejected <= alpha


def test_a_fixed_count_is_seen_in_thirty_batches_of_64() -> None:
    counts = np.arange(65)
    for fixed, share in ((32, 0.5), (58, 58 / 64)):
        histogram = np.where(counts == fixed, 30, 0)
        assert goodness_of_fit_of_few(histogram, 30 * binom.pmf(counts, 64, share)).p_value <= ALPHA
    with pytest.raises(ValueError, match="one cell"):
        goodness_of_fit_of_few([0, 0, 30], 30 * binom.pmf(np.arange(3), 2, 0.999))


@pytest.mark.parametrize(
    ("decisions", "rest", "keep_prob"),
    [(100, 6_300, 0.5), (300, 2_100, 0.9), (300, 18_900, 0.1), (200, 200, 0.5), (500, 500, 0.9)],
)
def test_power_of_a_group_against_the_rest_by_enumeration(decisions: int, rest: int, keep_prob: float) -> None:
    alpha = ALPHA / 8
    away = group_resolved(decisions, rest, keep_prob, alpha)
    assert 0.0 < away < 1.0
    others = np.unique(binom.ppf(np.linspace(0.0005, 0.9995, 41), rest, keep_prob).astype(int))
    weights = binom.pmf(others, rest, keep_prob)
    counts = np.arange(decisions + 1)
    for edge in (keep_prob - away, keep_prob + away):
        if not 0.0 < edge < 1.0:
            continue
        missed = binom.pmf(counts, decisions, edge)
        likely = counts[missed > 1e-9]
        rejected = np.array(
            [
                [one_against_rest((int(k), int(other)), (decisions, rest), 0) <= alpha for k in likely]
                for other in others
            ]
        )
        assert weights @ (~rejected @ missed[likely]) / weights.sum() <= BETA


def test_a_group_of_a_handful_resolves_nothing() -> None:
    assert group_resolved(8, 10_000, 0.5, ALPHA) == math.inf
    assert group_resolved(0, 10_000, 0.5, ALPHA) == math.inf
    assert detectable_hypergeometric(0, 0.5, ALPHA, BETA) == NOTHING


def test_power_of_the_spans_of_recorded_calls_by_simulation() -> None:
    rng = np.random.default_rng(np.random.SeedSequence(0))
    block = BlockFacts(0, 300, (64, 3), "float32", "float32", 0.3, True, "", 0, False, False, 64, 300 * 64, 300)
    design = catalogue()["DP112"].design(Cell(RECORDED, "float32", 0.3, blocks=(block,)), ALPHA)
    assert design is not None
    spans = [1, 1, 2, 5, 9, 19, 38, 75, 150]
    decisions = [64 * calls for calls in spans]
    missed = 0
    for _ in range(1000):
        kept = [*rng.binomial(decisions[:-1], 0.7), rng.binomial(decisions[-1], 0.7 - design.resolves)]
        fit = all_alike([int(k) for k in kept], decisions)
        assert fit is not None
        missed += fit.p_value > ALPHA
    assert missed <= 7  # of 1000, where one is allowed on average: more than 7 once in 10^5 simulations
