from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.checks import catalogue
from droppath_audit.checks.dp106_neighbours import Seen
from droppath_audit.core.case import Cell
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.dependence import Proposal

ALPHA = 6e-11
INNOCENT = (49_000, 21_000, 21_000, 9_000)  # pairs with exactly the correlation zero


def judged(patterns, *, drop_prob=0.3, counts=INNOCENT):
    seen = Seen(Proposal("lag", (1,), 3.0, 65_536), counts, 1, tuple(patterns))
    return catalogue()["DP106"].judge(seen, Cell(drop_prob=drop_prob, effort=EFFORTS["quick"]), ALPHA)


def independent(windows, keep_prob=0.7):
    kept = np.array([pattern.bit_count() for pattern in range(16)])
    return np.round(windows * keep_prob**kept * (1 - keep_prob) ** (4 - kept)).astype(int).tolist()


def test_patterns_of_independent_decisions_pass():
    verdict = judged(independent(49_152))
    assert verdict.outcome is Outcome.PASS
    assert "patterns of 4 neighbours in" in verdict.observed


def test_a_parity_that_no_pair_shows_fails():
    # All patterns of an even number kept are a fifth more frequent; decisions taken two by two stay independent.
    patterns = np.array(independent(49_152, 0.5))
    even = np.array([pattern.bit_count() % 2 == 0 for pattern in range(16)])
    verdict = judged(np.where(even, patterns * 1.1, patterns * 0.9).astype(int).tolist(), drop_prob=0.5)
    assert verdict.outcome is Outcome.FAIL
    assert "patterns of 4 neighbours" in verdict.observed
    assert verdict.p_value <= ALPHA


@pytest.mark.parametrize(("windows", "told"), [(2 * 12_346, True), (2 * 12_345, False)])
def test_patterns_are_judged_where_the_rarest_is_expected_two_hundred_times(windows, told):
    patterns = independent(windows)
    patterns[15] += windows - sum(patterns)  # 0.3^4 of these windows are 200.01 and 199.99
    assert ("patterns" in judged(patterns).observed) is told


def test_the_p_value_allows_for_both_tests():
    table = (700, 300, 300, 200)
    few, many = judged(independent(100), counts=table), judged(independent(49_152), counts=table)
    assert many.p_value == pytest.approx(2 * few.p_value)
