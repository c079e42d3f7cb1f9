"""The backward pass uses the forward's own mask."""

import pytest


@pytest.mark.checks("DP401")
def test_gradient_is_the_mask_of_the_forward_pass(spec, trial, hold):
    hold(spec, trial)
