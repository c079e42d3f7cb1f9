"""The layer leaves its input, the memory layout and its copies alone."""

import pytest


@pytest.mark.checks("DP004")
def test_the_input_is_not_written_to(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP006")
def test_strides_survive(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP008")
def test_a_layer_can_be_copied_stored_and_changed(spec, trial, hold):
    hold(spec, trial)
