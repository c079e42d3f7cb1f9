"""Generated shapes, dtypes, layouts, modes and values: every deterministic promise at once."""

import pytest


@pytest.mark.checks("DP601")
def test_any_tensor_keeps_every_promise(spec, trial, hold):
    hold(spec, trial)
