"""How old a layer is made, how long that takes, and what is told of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.checks.dp604_any_age import CALLS, SECONDS
from droppath_audit.core.case import DtypeCase
from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load, load_object
from droppath_reference.drop_path import DropPath


def age(target, effort="quick", seed=0):
    loaded = load(target) if isinstance(target, str) else load_object(target, {})
    probe = LiveProbe(loaded.target, DtypeCase(effort=EFFORTS[effort]), np.random.default_rng(seed))
    return catalogue()["DP604"].collect(probe), probe


@pytest.fixture
def patient(monkeypatch):
    """Let no machine be too slow for the ages that are asked for."""
    monkeypatch.setattr("droppath_audit.checks.dp604_any_age.SECONDS", (60.0, 60.0, 60.0))


def test_a_sound_layer_is_as_new_after_so_many_switches_and_calls(patient):
    seen, probe = age(DropPath)
    assert (seen.found, seen.age.switches, seen.age.calls) == ((), 500, CALLS[0])
    assert seen.repeatable
    assert not probe.clock.stopped


def test_a_slow_layer_is_made_as_old_as_time_allows_and_that_is_said():
    class Slow(DropPath):
        def forward(self, x):
            end = time.process_time() + 1e-3
            while time.process_time() < end:
                pass
            return super().forward(x)

    started = time.process_time()
    seen, probe = age(Slow)
    assert time.process_time() - started < 2 * SECONDS[0]
    assert seen.late
    assert probe.clock.stopped
    assert 0 < seen.age.switches + seen.age.calls < 1000 * SECONDS[0]
    said = catalogue()["DP604"].judge(seen, probe.at, 0.0).observed
    assert str(seen.age) in said
    assert "time was up" in said


@pytest.mark.parametrize("switches", [51, 499])
def test_a_layer_that_stops_after_so_many_switches_is_found(switches):
    class Tired(DropPath):
        switched = 0

        def train(self, mode=True):
            self.switched += 1
            return super().train(mode)

        def forward(self, x):
            return x if self.switched >= switches else super().forward(x)

    report = audit(Tired, only=("DP604",), effort="quick")
    assert "switches of mode" in report.findings[0].verdict.observed


def test_a_drift_that_no_batch_shows_is_found_beside_a_fresh_layer(patient):
    class Drifting(DropPath):
        calls = 0

        def forward(self, x):
            if not self.training or self.drop_prob in (0.0, 1.0):
                return super().forward(x)
            self.calls += 1
            keep_prob = 1.0 - self.drop_prob * (0.999 if self.calls > 5000 else 1.0)
            return torch.where(torch.rand(x.shape[0], 1) < keep_prob, x, 0.0) / (1.0 - self.drop_prob)

    assert {age(Drifting, seed=seed)[0].age.calls for seed in range(3)} <= {CALLS[0]}


def test_masks_that_no_seed_fixes_are_judged_by_their_law():
    seen, _ = age("droppath_audit.mutants.randomness:draws_from_numpy")
    assert not seen.repeatable
    assert not seen.found
