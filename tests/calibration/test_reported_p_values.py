"""A trial that makes several tests reports a p-value that allows for all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from droppath_audit.checks import catalogue, dp104_granularity, dp203_mean_preservation
from droppath_audit.checks.dp104_granularity import BATCH, DROP_PROB, FEATURES
from droppath_audit.core.case import Cell, DtypeCase
from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.counting import Counts
from droppath_audit.stats.exact import binomial_test
from droppath_audit.stats.mean import weighted_mean_test

ALPHA = 1e-6


def of_every_rank(calls: int, alike: int) -> dp104_granularity.Seen:
    """Return that all calls are partly dropped but some at the first rank, whose samples are each of one fate."""
    rows = [
        dp104_granularity.Uniformity((BATCH, *features), DROP_PROB, 0.5, calls, calls * BATCH, calls, 0)
        for features in FEATURES
    ]
    return dp104_granularity.Seen((replace(rows[0], mixed_calls=calls - alike), *rows[1:]), ())


def test_dp104_allows_for_every_rank():
    calls = 64
    verdict = catalogue()["DP104"].judge(of_every_rank(calls, alike=1), DtypeCase(), ALPHA)
    # What a correct layer does at least that badly: one call of all of them decided alike.
    probability = 1.0 - (1.0 - 2.0 * 0.5**BATCH) ** (calls * len(FEATURES))
    assert verdict.outcome is Outcome.PASS
    assert verdict.p_value >= probability


@pytest.mark.parametrize("alike", [1, 2, 3, 4])
def test_dp104_fails_at_its_share_of_alpha_for_each_rank(alike):
    calls = 64
    one = binomial_test(alike, calls, 2.0 * 0.5**BATCH)
    for alpha, outcome in ((1.01 * one * len(FEATURES), Outcome.FAIL), (0.99 * one * len(FEATURES), Outcome.PASS)):
        assert catalogue()["DP104"].judge(of_every_rank(calls, alike), DtypeCase(), alpha).outcome is outcome


@pytest.mark.parametrize("deviation", [0.01, 0.015])
def test_dp203_allows_for_frequency_and_weights(deviation):
    weights = np.full(65_536, 1.0 / 65_536)
    squares, largest = float(np.square(weights).sum()), float(weights.max())
    counts = Counts(1_000_000, 700_000, kept_values=(float(np.float32(1.0) / np.float32(0.7)),))
    seen = dp203_mean_preservation.Seen(counts, dp203_mean_preservation.Weighted(deviation, squares, largest))
    one = weighted_mean_test(deviation, squares, largest, 0.7)
    for alpha, outcome in ((2.01 * one, Outcome.FAIL), (1.99 * one, Outcome.PASS)):
        verdict = catalogue()["DP203"].judge(seen, Cell(drop_prob=0.3), alpha)
        assert verdict.outcome in (outcome, Outcome.INCONCLUSIVE if outcome is Outcome.PASS else outcome)
        assert verdict.p_value == pytest.approx(2.0 * one, rel=1e-9, abs=0.0)
