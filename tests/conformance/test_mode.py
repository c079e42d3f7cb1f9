"""Evaluation and drop_prob = 0 return x, bit for bit, and what was switched last decides which it is."""

import pytest


@pytest.mark.checks("DP001")
def test_evaluation_returns_x(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP002")
def test_zero_drop_prob_returns_x(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP003")
def test_the_mode_that_was_set_last_decides(spec, trial, hold):
    hold(spec, trial)
