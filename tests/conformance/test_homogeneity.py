"""Decisions have one law: in every instance, place, batch size, input, call and seed."""

import pytest


@pytest.mark.checks("DP108")
def test_instances_decide_independently(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP109")
def test_keep_probability_does_not_depend_on_the_position(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP110")
def test_keep_probability_does_not_depend_on_the_batch_size(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP111")
def test_decisions_do_not_depend_on_the_input(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP112")
def test_keep_probability_does_not_drift_with_calls(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP113")
def test_first_decision_after_a_seed_has_the_law_of_any_other(spec, trial, hold):
    hold(spec, trial)
