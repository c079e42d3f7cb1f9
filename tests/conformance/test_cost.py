"""What the layer costs beyond the multiplication."""

import pytest


@pytest.mark.checks("DP803")
def test_no_more_random_numbers_than_decisions_are_drawn(spec, trial, hold):
    hold(spec, trial)
