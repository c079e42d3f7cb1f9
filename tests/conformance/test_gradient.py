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


@pytest.mark.checks("DP403")
def test_the_gradient_can_be_differentiated(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP404")
def test_checkpointing_recomputes_the_same_mask(spec, trial, hold):
    hold(spec, trial)
