"""Targets of which every call is slow: trials end in time, say what they did not reach, and still find faults."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Design
from droppath_audit.core.collected import Collected
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome, Verdict
from droppath_audit.probes.clock import Clock
from droppath_audit.probes.pace import samples_in_time
from droppath_audit.run.driving import InProcess
from droppath_audit.run.engine import judge
from droppath_audit.run.plan import Settings, make
from droppath_audit.targets.loader import load_object

SECONDS = 0.4
STATISTICAL = (
    "DP101[cpu-float32]", "DP105", "DP106[cpu-float32-p0.5]", "DP107[cpu-float32-p0.5]", "DP108", "DP109", "DP110",
    "DP111[cpu-float32-p0.3]", "DP112", "DP113", "DP202[cpu-float32-p0.5]", "DP204[cpu-float32-p0.5]",
    "DP102[cpu-float32-p0.5]", "DP203[cpu-float32-p0.5]", "DP002[cpu-float32]",
)  # fmt: skip


def slowly(x: torch.Tensor, decisions: torch.Tensor, p: float) -> torch.Tensor:
    """Return the samples, kept or dropped in a loop that takes 20 µs each."""
    end = time.process_time() + 2e-5 * len(x)  # of the processor, as a trial counts it
    while time.process_time() < end:
        pass
    kept = decisions[: len(x)].reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(kept, x / (1.0 - p), torch.zeros((), dtype=x.dtype))


class Sound(torch.nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def decide(self, number: int) -> torch.Tensor:
        return torch.rand(number) >= self.drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return slowly(x, self.decide(len(x)), self.drop_prob) if self.training else x


class InPairs(Sound):
    def decide(self, number: int) -> torch.Tensor:
        return super().decide(number // 2 + 1).repeat_interleave(2)


class Biased(Sound):
    def decide(self, number: int) -> torch.Tensor:
        return torch.rand(number) >= 0.8 * self.drop_prob


def run(obj: Any, only: tuple[str, ...]) -> Any:
    collector, settings = InProcess(load_object(obj, {})), Settings(only=only)
    for trial in make(collector.facts, settings):
        if not trial.reason:
            brief = replace(trial, case=replace(trial.case, effort=replace(trial.case.effort, seconds=SECONDS)))
            ((_, found),) = collector.collect([brief])
            yield judge(trial, found, collector.facts, settings)


def test_every_trial_ends_in_time_and_says_what_it_did_not_reach() -> None:
    for result in run(Sound, STATISTICAL):
        assert result.seconds < 4 * SECONDS, result.trial.id
        assert result.stopped_by_time, result.trial.id
        if result.trial.design is None:
            assert result.outcome is Outcome.PASS
        else:
            assert result.outcome is Outcome.INCONCLUSIVE, result.trial.id
            assert "time ran out" in result.verdict.observed


@pytest.mark.parametrize(
    ("layer", "check"), [(InPairs, "DP106[cpu-float32-p0.5]"), (Biased, "DP102[cpu-float32-p0.5]")]
)
def test_a_fault_is_found_all_the_same(layer: type, check: str) -> None:
    (result,) = run(layer, (check,))
    assert result.outcome is Outcome.FAIL


def test_timing_a_target_changes_no_generator() -> None:
    case = Cell(effort=EFFORTS["standard"])
    before = torch.get_rng_state()
    target = load_object(Sound, {}).target
    most = samples_in_time(target, lambda batch: (batch, 1), "float32", case)
    assert np.array_equal(torch.get_rng_state().numpy(), before.numpy())
    assert 0 < most <= 2 * case.effort.seconds / 16 / 2e-5  # what two calls take beside their samples differs a little


def test_a_clock_that_stops_nothing_leaves_no_mark() -> None:
    clock = Clock(1000.0)
    assert not clock.part().over()
    assert not clock.stopped
    assert Clock(0.0).part().over()


DESIGN = Design(0.01, "keep probability", 400)
CUT = Collected({}, stopped_by_time=True, decisions=100)


def test_a_pass_on_less_than_planned_is_inconclusive_with_what_it_resolves() -> None:
    verdict = CUT.qualified(Verdict.passed("alike"), DESIGN, sequential=False)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.observed == "time ran out after 100 of about 400 decisions: about 0.02 resolved, not 0.01; alike"


def test_what_ends_when_enough_is_known_and_what_fails_stand() -> None:
    passed, failed = Verdict.passed("within"), Verdict.failed("off")
    assert CUT.qualified(passed, DESIGN, sequential=True) == passed
    assert CUT.qualified(failed, DESIGN, sequential=False) == failed
    assert CUT.qualified(passed, None, sequential=False).outcome is Outcome.PASS
    assert Collected({}).qualified(passed, DESIGN, sequential=False) == passed
