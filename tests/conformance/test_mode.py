"""Evaluation and drop_prob = 0 return x, bit for bit."""

import pytest


@pytest.mark.checks("DP001")
def test_evaluation_returns_x(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP002")
def test_zero_drop_prob_returns_x(spec, trial, hold):
    hold(spec, trial)
