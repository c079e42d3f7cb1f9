"""The backward pass uses the forward's own mask."""

import pytest


@pytest.mark.checks("DP401")
def test_gradient_is_the_mask_of_the_forward_pass(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP402")
def test_gradient_agrees_with_finite_differences(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP405")
def test_a_dropped_batch_stays_connected(spec, trial, hold):
    hold(spec, trial)
