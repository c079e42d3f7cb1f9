"""Kept values are scaled as promised, dropped ones are zero."""

import pytest


@pytest.mark.checks("DP201")
def test_every_kept_value_is_scaled(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP202")
def test_every_dropped_value_is_zero(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP204")
def test_variance_is_what_the_scale_makes_it(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP205")
def test_overflow_stays_where_it_is(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP206")
def test_dropping_clears_infinities_and_nan(spec, trial, hold):
    hold(spec, trial)
