"""Shapes that a SPEC fixes: what is counted is counted on small samples, and the shape itself is looked at."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.inputs import features
from droppath_audit.run.driving import InProcess
from droppath_audit.run.engine import judge
from droppath_audit.run.plan import Settings, make
from droppath_audit.targets.loader import load_object
from droppath_reference import DropPath

if TYPE_CHECKING:
    from droppath_audit.core.result import Result

SHAPES = ("B,3,32,32", "B,196,768", "B,3,224,224")
# One of each way in which a check asks for calls, in one dtype.
TRIALS = (
    "DP001[cpu-float32-p0.3]", "DP002[cpu-float32]", "DP101[cpu-float32]", "DP102[cpu-float32-p0.3]",
    "DP104[cpu-float32]", "DP106[cpu-float32-p0.3]", "DP108", "DP111[cpu-float32-p0.3]", "DP201[cpu-float32-p0.3]",
    "DP203[cpu-float32-p0.3]", "DP205[cpu-float32-p0.1]", "DP401[cpu-float32-p0.3]", "DP402[cpu-float64-p0.5]",
    "DP601[cpu-float32]",
)  # fmt: skip


def audited(obj: Any, shape: str, only: tuple[str, ...], seconds: float = 0.0) -> list[Result]:
    """Return the results of some trials at quick effort, each with so many seconds where that is said."""
    collector, settings = InProcess(load_object(obj, {"input": shape})), Settings(effort="quick", only=only)
    trials = [trial for trial in make(collector.facts, settings) if not trial.reason]
    if seconds:
        trials = [replace(t, case=replace(t.case, effort=replace(t.case.effort, seconds=seconds))) for t in trials]
    return [judge(trial, found, collector.facts, settings) for trial, found in collector.collect(trials)]


def failing(results: list[Result]) -> set[str]:
    return {result.trial.check for result in results if result.outcome is not Outcome.PASS}


class Counting(DropPath):
    """The reference, which notes the largest input it was given and the elements of all."""

    largest = total = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Counting.largest, Counting.total = max(Counting.largest, x.numel()), Counting.total + x.numel()
        return super().forward(x)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sound_layer_passes_on_inputs_of_bounded_size(shape: str) -> None:
    Counting.largest = Counting.total = 0
    results = audited(Counting, shape, TRIALS)
    assert failing(results) == set()
    assert {result.trial.check for result in results} == {trial[:5] for trial in TRIALS}
    size = math.prod(int(number) for number in shape.split(",")[1:])
    assert 2 * size <= Counting.largest <= 2**22
    assert Counting.total < 3e8  # twice what (B, 1) takes; 65 536 samples of the largest shape would be 10^10


def scaled(x: torch.Tensor, p: float, shape: tuple[int, ...]) -> torch.Tensor:
    kept = torch.rand(shape) >= p
    return torch.where(kept, x / (1.0 - p), torch.zeros((), dtype=x.dtype))


def one_a_sample(x: torch.Tensor) -> tuple[int, ...]:
    return (len(x), *[1] * (x.ndim - 1))


def per_channel(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    return scaled(x, drop_prob, (*x.shape[:2], *[1] * (x.ndim - 2))) if training else x


def unscaled_at_rank_four(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    return scaled(x, drop_prob, one_a_sample(x)) * (1.0 - drop_prob * (x.ndim == 4)) if training else x


def one_decision_for_large_inputs(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    return scaled(x, drop_prob, one_a_sample(x) if x.numel() <= 2**16 else (1,) * x.ndim) if training else x


def keeps_less_of_images(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    less = 0.2 * (1.0 - drop_prob) if x.shape[-1] == 32 else 0.0
    kept = torch.rand(one_a_sample(x)) >= drop_prob + less
    return torch.where(kept, x / (1.0 - drop_prob), torch.zeros((), dtype=x.dtype)) if training else x


def unscaled_for_large_samples(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    large = x.numel() > 1000 * len(x)
    return scaled(x, drop_prob, one_a_sample(x)) * (1.0 - drop_prob * large) if training else x


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (per_channel, {"DP104"}),
        (unscaled_at_rank_four, {"DP201"}),
        (one_decision_for_large_inputs, {"DP101", "DP104"}),
        (keeps_less_of_images, {"DP101"}),
        (unscaled_for_large_samples, {"DP201"}),
    ],
)
def test_a_layer_that_is_wrong_at_that_shape_alone_is_found(layer: Any, found: set[str]) -> None:
    only = ("DP101[cpu-float32]", "DP102[cpu-float32-p0.3]", "DP104[cpu-float32]", "DP201[cpu-float32-p0.3]")
    assert failing(audited(layer, "B,3,32,32", only)) == found


def test_sizes_are_reduced_as_far_as_the_target_takes_them() -> None:
    def of_768_channels(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
        if x.shape[2] != 768:
            raise ValueError("channels")
        return x

    target = load_object(of_768_channels, {"input": "B,196,768"}).target
    assert features(target, "float32", "cpu") == (1, 768)
    assert features(target, "float32", "cpu", wide=True) == (2, 768)


class Asserting(DropPath):
    """The reference, for images of 32 x 32 alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1:] != (3, 32, 32):
            raise ValueError("another shape")
        return super().forward(x)


def test_a_target_that_takes_large_samples_alone_passes_at_the_resolution_that_was_planned() -> None:
    only = ("DP101[cpu-float32]", "DP102[cpu-float32-p0.3]", "DP106[cpu-float32-p0.3]", "DP107[cpu-float32-p0.3]")
    results = audited(Asserting, "B,3,32,32", only)
    assert failing(results) == set()
    usual = {result.trial.id: result.trial.design for result in audited(DropPath, "B,1", only)}
    for result in results:
        design, finer = result.trial.design, usual[result.trial.id]
        assert design is not None
        assert finer is not None
        assert finer.resolves < design.resolves < 1.0
        assert design.decisions * 3 * 32 * 32 <= 2**24


def test_what_large_samples_resolve_at_all_is_said_in_the_plan() -> None:
    class Large(DropPath):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[1:] != (3, 224, 224):
                raise ValueError("another shape")
            return super().forward(x)

    facts = InProcess(load_object(Large, {"input": "B,3,224,224"})).facts
    (trial,) = make(facts, Settings(effort="quick", only=("DP109",)))
    assert "takes no samples of fewer than 150,528 elements" in trial.reason
