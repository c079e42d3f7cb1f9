"""What is asked of a layer under transforms of functions, and what is not."""

from __future__ import annotations

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def judged(target, effort="standard", **items):
    (result,) = audit(target, only=("DP705",), effort=effort, **items).results
    return result.outcome.value, result.is_finding(strict=False), result.verdict.observed


def test_the_reference_is_asked_for_all_of_it():
    outcome, _, observed = judged(DropPath)
    assert outcome == "pass"
    assert observed.startswith("vmap, functional_call, grad, jvp, vmap in evaluation, functional_call in evaluation")


def test_derivatives_are_left_to_standard_effort():
    assert "grad" not in judged(DropPath, "quick")[2]


@pytest.mark.parametrize(
    "name", ["draws:noise_times_input", "draws:seed_drawn_for_every_call", "paths:custom_function_where_tracked"]
)
def test_what_torch_refuses_of_sound_code_is_left_out_and_said(name):
    outcome, _, observed = judged(f"droppath_audit.sound.{name}")
    assert outcome == "pass"
    assert "not asked: torch refuses" in observed


@pytest.mark.parametrize("granularity", ["sample", "batch", "element"])
def test_the_declared_granularity_holds_in_each_entry(granularity):
    assert judged(f"droppath_reference:DropPath?granularity={granularity}")[0] == "pass"


def test_a_broken_one_is_a_broken_should():
    class Idle(DropPath):
        def forward(self, x):
            return x if torch._C._functorch.is_functorch_wrapped_tensor(x) else super().forward(x)

    outcome, must, observed = judged(Idle, "quick")
    assert (outcome, must) == ("fail", False)
    assert observed.startswith("vmap: ")


def test_a_wrong_derivative_is_a_broken_must():
    outcome, must, observed = judged("droppath_audit.mutants.transforms:passes_every_tangent")
    assert (outcome, must) == ("fail", True)
    assert "jvp: a dropped element has a derivative" in observed


def test_what_is_wrong_without_a_transform_is_left_to_other_checks():
    assert judged("droppath_audit.mutants.values:never_scaled", "quick")[0] == "not-applicable"
