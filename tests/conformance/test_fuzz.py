"""Generated shapes, dtypes, layouts, modes and values, and generated lives: every deterministic promise at once."""

import pytest


@pytest.mark.checks("DP601")
def test_any_tensor_keeps_every_promise(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP602")
def test_a_layer_that_has_lived_is_like_a_fresh_one(spec, trial, hold):
    hold(spec, trial)
