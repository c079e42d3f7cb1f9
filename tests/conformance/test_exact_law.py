"""The keep probability is what was asked for, by enumeration of the generator: exactly, not statistically."""

import pytest


@pytest.mark.checks("DP103")
def test_the_exact_keep_probability_is_what_was_asked_for(spec, trial, hold):
    hold(spec, trial)
