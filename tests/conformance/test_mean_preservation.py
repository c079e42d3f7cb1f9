"""The mean of the training output is x, frequency and rounding judged apart."""

import pytest


@pytest.mark.checks("DP203")
def test_mean_of_the_training_output_is_x(spec, trial, hold):
    hold(spec, trial)
