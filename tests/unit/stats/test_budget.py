from __future__ import annotations

import pytest

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, TRIALS_PER_AUDIT, share


def test_the_shares_of_a_full_audit_add_up_to_the_budget():
    assert TRIALS_PER_AUDIT == 16_384
    assert share(DEFAULT_BUDGET) * TRIALS_PER_AUDIT == DEFAULT_BUDGET == 1e-6


@pytest.mark.parametrize("budget", [0.0, 1.0, -1e-6, 2.0, float("nan")])
def test_a_budget_outside_0_1_is_refused_with_its_value(budget):
    with pytest.raises(ValueError, match=str(budget)):
        share(budget)


def test_a_defect_of_the_size_that_is_promised_may_be_missed_once_in_a_thousand_audits():
    assert BETA == 1e-3
