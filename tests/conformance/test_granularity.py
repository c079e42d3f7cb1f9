"""One decision covers what the dialect says it covers."""

import pytest


@pytest.mark.checks("DP104")
def test_one_decision_per_unit(spec, trial, hold):
    hold(spec, trial)
