"""Random numbers come from the framework, when they are needed, and only from there."""

import pytest


@pytest.mark.checks("DP501")
def test_the_seed_decides_the_masks(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP502")
def test_no_other_generator_moves(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP503")
def test_nothing_is_drawn_for_nothing(spec, trial, hold):
    hold(spec, trial)


@pytest.mark.checks("DP504")
def test_threads_and_processes_have_masks_of_their_own(spec, trial, hold):
    hold(spec, trial)
