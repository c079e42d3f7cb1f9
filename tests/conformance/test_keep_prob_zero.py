"""keep_prob = 0: zeros forward, zeros backward."""

import pytest


@pytest.mark.checks("DP301")
def test_training_output_is_all_zeros(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP302")
def test_gradient_is_zero_finite_and_connected(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP306")
def test_a_declared_refusal_is_a_value_error(spec, trial, hold):
    hold(spec, trial)
