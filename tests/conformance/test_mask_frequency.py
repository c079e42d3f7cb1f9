"""Kept and dropped occur as often as promised: chi-square over the grid, a certificate for each cell."""

import pytest


@pytest.mark.checks("DP101")
def test_kept_and_dropped_follow_the_chi_square_law(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP102")
def test_keep_probability_is_certified(spec, trial, hold):
    hold(spec, trial)
