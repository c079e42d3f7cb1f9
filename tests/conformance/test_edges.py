"""Extreme probabilities, wrong probabilities, small tensors, tensors of rank 0, integers."""

import pytest


@pytest.mark.checks("DP303")
def test_extreme_probabilities_keep_the_law(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP007")
def test_a_bad_probability_is_refused(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP304")
def test_small_tensors_keep_their_shape(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP305")
def test_a_tensor_of_rank_0_is_refused_or_one_sample(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP009")
def test_integers_are_refused_or_scaled(spec, trial, hold):
    hold(spec, trial)
