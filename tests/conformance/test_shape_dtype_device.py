"""The output has the shape, dtype and device of x."""

import pytest


@pytest.mark.checks("DP005")
def test_shape_dtype_and_device_are_kept(spec, trial, hold):
    hold(spec, trial)
