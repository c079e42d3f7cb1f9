"""Decisions are independent: within a batch, between calls, and in how many of them keep."""

import pytest


@pytest.mark.checks("DP105")
def test_number_kept_per_batch_is_binomial(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP106")
def test_neighbours_are_independent(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP107")
def test_calls_are_independent(spec, trial, hold):
    hold(spec, trial)
