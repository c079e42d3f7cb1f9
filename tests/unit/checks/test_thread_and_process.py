"""What weighs how much, of what threads and processes do to each other."""

from __future__ import annotations

import threading

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def found(target, **items):
    report = audit(target, only=("DP504",), effort="quick", **items)
    return [
        (finding.is_finding(strict=False), finding.verdict.observed)
        for finding in report.results
        if finding.is_finding(strict=True)
    ]


@pytest.mark.parametrize("granularity", ["sample", "batch", "element"])
def test_a_sound_layer_is_the_same_in_every_thread(granularity):
    assert not found(f"droppath_reference:DropPath?granularity={granularity}")


def test_wrong_values_in_another_thread_are_a_broken_must():
    ((must, observed),) = found("droppath_audit.mutants.threads:IdleInOtherThreads")
    assert must
    assert "in a thread that did not construct the layer, in training" in observed


def test_a_race_and_a_shared_mask_are_broken_shoulds():
    for name in ("KeepsItsMask", "GeneratorOfTheThread"):
        ((must, _),) = found(f"droppath_audit.mutants.threads:{name}")
        assert not must


def test_one_fate_of_all_in_another_thread_is_seen():
    class Keeps(DropPath):
        def __init__(self, drop_prob):
            super().__init__(drop_prob)
            self.home = threading.get_ident()

        def forward(self, x):
            if threading.get_ident() == self.home or not self.training or self.drop_prob == 0.0:
                return super().forward(x)
            return torch.zeros_like(x) if self.drop_prob == 1.0 else x / (1.0 - self.drop_prob)

    ((must, observed),) = found(Keeps)
    assert must
    assert "alike" in observed


def test_what_is_wrong_in_every_thread_is_left_to_other_checks():
    assert not any(must for must, _ in found("droppath_audit.mutants.values:never_scaled"))
