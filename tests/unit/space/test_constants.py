"""What is tried around a number in a target's code, and which numbers are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from droppath_audit.checks import catalogue, dp115_numbers_in_the_code
from droppath_audit.core.case import ConstantCase
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.live import LiveProbe
from droppath_audit.space.constants import MOST, MOST_NUMBERS, around, tried
from droppath_audit.targets.loader import load

CHECK = catalogue()["DP115"]
PLAIN = load("droppath_reference:DropPath").facts


def tried_around(number, **changes):
    return list(around(number, replace(PLAIN, **changes), "float32", np.random.default_rng(0)))


def test_a_size_is_tried_in_every_way_it_may_be_meant():
    found = tried_around(192.0)
    near = {191, 192, 193}
    assert near <= {at.batch for at in found}
    assert near <= {at.elements for at in found}
    assert near <= {4 * at.elements for at in found} | near
    assert {47, 48, 49} <= {at.elements for at in found}
    assert {191, 193} == {at.calls for at in found} - {0}
    for axis in range(1, 5):
        assert near <= {at.shape[axis] for at in found if len(at.shape) > axis} or axis > 3
    assert len({at.shape for at in found}) > 15


def test_a_rate_is_tried_from_both_ends_and_one_step_to_either_side():
    rates = {at.drop_prob for at in tried_around(0.3)}
    assert {0.3, 0.7, np.nextafter(0.3, 0), np.nextafter(0.3, 1), 0.3 * 0.99, 1 - 0.3 * 1.01} <= rates


@pytest.mark.parametrize("number", [float(2**20), float(2**22), 3.0])
def test_no_tensor_is_larger_than_what_is_stated(number):
    found = tried_around(number)
    assert found
    assert max(at.elements for at in found) <= MOST


def test_a_fixed_shape_and_ranks_that_are_taken_are_kept():
    assert {at.features for at in tried_around(100.0, fixed_shape=(-1, 4, 4))} == {(4, 4)}
    assert {len(at.shape) for at in tried_around(100.0, ranks=(3,)) if not at.calls} == {3}


def test_numbers_that_are_no_size_and_no_rate_are_left_out():
    facts = replace(PLAIN, numbers=(0.0, 1.0, 2.0, -1.0, 0.5, 2.5, 1e300, 65536.0, -0.25, float("nan"), float("inf")))
    assert tried(facts) == (0.5, 65536.0, 0.25)
    assert len(tried(replace(PLAIN, numbers=tuple(map(float, range(3, 99)))))) == MOST_NUMBERS


def test_every_number_has_a_trial_of_its_own_that_another_seed_does_not_rename():
    facts = load("droppath_audit.mutants.constants:loses_the_last_of_777").facts
    first, second = ([*CHECK.planned(facts, "cpu", EFFORTS["quick"], seed)] for seed in (0, 1))
    assert [at.slug for at in first] == [at.slug for at in second]
    assert "cpu-777" in {at.slug for at in first}
    assert [at.configurations for at in first] != [at.configurations for at in second]


@pytest.mark.parametrize(("seconds", "left"), [(-1.0, 5), (60.0, 0)])
def test_what_there_is_no_time_for_is_told_and_no_finding(monkeypatch, seconds, left):
    monkeypatch.setattr(dp115_numbers_in_the_code, "SECONDS", seconds)
    at = ConstantCase("cpu", effort=EFFORTS["quick"], constant=96.0, configurations=tuple(tried_around(96.0))[:5])
    probe = LiveProbe(load("droppath_reference:DropPath").target, at, np.random.default_rng(0))
    seen = CHECK.collect(probe)
    assert (seen.left, probe.clock.stopped) == (left, left > 0)
    assert CHECK.judge(seen, at, 1e-9).outcome is (Outcome.INCONCLUSIVE if left else Outcome.PASS)


def test_where_every_shape_is_refused_nothing_is_called_right(monkeypatch):
    def refusing(*_):
        raise NotApplicable("it takes no such shape")

    monkeypatch.setattr(dp115_numbers_in_the_code.Asking, "found", refusing)
    at = ConstantCase("cpu", effort=EFFORTS["quick"], constant=96.0, configurations=tuple(tried_around(96.0))[:5])
    with pytest.raises(NotApplicable, match="no such shape"):
        CHECK.collect(LiveProbe(load("droppath_reference:DropPath").target, at, np.random.default_rng(0)))
