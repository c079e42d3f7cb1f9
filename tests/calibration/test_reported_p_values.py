"""A trial that makes several tests reports a p-value that allows for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.case import Case
from droppath_audit.core.verdict import Outcome
from droppath_audit.stats.mean import weighted_mean_test

ALPHA = 1e-6


def test_dp104_allows_for_every_rank():
    from droppath_audit.checks.dp104_granularity import BATCH, FEATURES

    calls = 64
    ranks = [
        {"rank": 1 + number, "size": 1, "calls": calls, "mixed_samples": 0, "mixed_calls": calls}
        for number in range(len(FEATURES))
    ]
    ranks[2]["mixed_calls"] -= 1
    verdict = catalogue()["DP104"].judge({"ranks": ranks, "refused": []}, Case(dtype="float32"), ALPHA)
    # What a correct layer does at least that badly: one call of all of them decided alike.
    probability = 1.0 - (1.0 - 2.0 * 0.5**BATCH) ** (calls * len(FEATURES))
    assert verdict.outcome is Outcome.PASS
    assert verdict.p_value >= probability


def test_dp104_fails_at_its_share_of_alpha_for_each_rank():
    from droppath_audit.checks.dp104_granularity import FEATURES
    from droppath_audit.stats.exact import binomial_test

    calls = 64
    for alike in (1, 2, 3, 4):
        ranks = [
            {"rank": 1 + number, "size": 1, "calls": calls, "mixed_samples": 0, "mixed_calls": calls}
            for number in range(len(FEATURES))
        ]
        ranks[0]["mixed_calls"] -= alike
        one = binomial_test(alike, calls, 2.0 * 0.5**16)
        for alpha, outcome in ((1.01 * one * len(FEATURES), Outcome.FAIL), (0.99 * one * len(FEATURES), Outcome.PASS)):
            case = Case(dtype="float32")
            assert catalogue()["DP104"].judge({"ranks": ranks, "refused": []}, case, alpha).outcome is outcome


@pytest.mark.parametrize("deviation", [0.01, 0.015])
def test_dp203_allows_for_frequency_and_weights(deviation):
    weights = np.full(65_536, 1.0 / 65_536)
    squares, largest = float(np.square(weights).sum()), float(weights.max())
    evidence = {
        "kept": 700_000, "decisions": 1_000_000, "other": 0, "kept_values": [float(np.float32(1.0) / np.float32(0.7))],
        "exhausted": False,
        "weighted": {"deviation": deviation, "sum_of_squared_weights": squares, "largest_weight": largest},
    }  # fmt: skip
    one = weighted_mean_test(deviation, squares, largest, 0.7)
    case = Case(dtype="float32", drop_prob=0.3)
    for alpha, outcome in ((2.01 * one, Outcome.FAIL), (1.99 * one, Outcome.PASS)):
        verdict = catalogue()["DP203"].judge(evidence, case, alpha)
        assert verdict.outcome in (outcome, Outcome.INCONCLUSIVE if outcome is Outcome.PASS else outcome)
        assert verdict.p_value == pytest.approx(2.0 * one, rel=1e-9, abs=0.0)
