from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.core.case import Cell
from droppath_audit.frameworks.torch.operations import TorchFramework
from droppath_audit.probes.inputs import ReusedInput, features
from droppath_audit.probes.masks import MaskSource
from droppath_audit.targets.loader import load_object


@pytest.fixture
def framework():
    return TorchFramework()


def ones():
    return torch.ones(4, 1)


def test_an_input_that_is_left_alone_is_one_tensor(framework):
    x = ReusedInput(framework, ones)
    first = x.get()
    assert all(x.get() is first for _ in range(20))


@pytest.mark.parametrize("call", [0, 3, 12])
def test_an_input_that_was_written_to_is_made_anew_from_then_on(framework, call):
    x = ReusedInput(framework, ones)
    for _ in range(call):
        x.get()
    x.get().mul_(0.0)
    for _ in range(3):
        assert torch.equal(x.get(), ones())
        x.get().mul_(0.0)


def test_values_are_looked_at_where_writes_are_not_counted(framework, monkeypatch):
    monkeypatch.setattr(framework, "version", lambda tensor: 0)
    x = ReusedInput(framework, ones)
    x.get().mul_(0.0)
    assert torch.equal(x.get(), ones())


def test_masks_of_a_layer_that_works_in_place_are_those_of_its_decisions():
    def in_place(x, drop_prob, training):
        return x.mul_((torch.rand(x.shape[0], 1) >= drop_prob).to(x.dtype))

    target = load_object(in_place, {"scaling": "none", "input": "B,1"}, devices=("cpu",)).target
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        masks = MaskSource(target.framework, target.make(0.3), Cell(drop_prob=0.3), "float32", (1,)).draw(50, 1000)
    # 50 000 decisions: eight standard deviations are 0.017.
    assert abs(np.mean(masks) - 0.7) < 0.017
    assert abs(np.mean(masks[-10:]) - 0.7) < 0.037


class Skips(torch.nn.Module):
    """Runs a block on eight channels, or passes by."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob, self.block = drop_prob, torch.nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return x if self.training and torch.rand(()) < self.drop_prob else self.block(x)


class SkipsAlways(Skips):
    """Has no evaluation."""

    def forward(self, x):
        return x if torch.rand(()) < self.drop_prob else self.block(x)


class Grows(Skips):
    """Takes one channel for eight."""

    def __init__(self, drop_prob):
        super().__init__(drop_prob)
        self.block = torch.nn.Linear(8, 8, bias=False)

    def forward(self, x):
        return x if self.training and torch.rand(()) < self.drop_prob else x + self.block.weight.sum(0)


def volumes(x, drop_prob, training):
    batch, _, _, _, _ = x.shape
    return x * (torch.rand(batch, 1, 1, 1, 1) >= drop_prob) if training else x


@pytest.mark.parametrize(
    ("obj", "declared", "found"),
    [
        (Skips, {}, (8, 2, 2)),
        (SkipsAlways, {"training": "always"}, (8, 2, 2)),
        (Grows, {}, (8,)),
        (volumes, {"scaling": "none"}, (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize(
    "seed", range(4)
)  # of 4 seeds a call of a layer that skips half of them skips in 15 of 16 cases
def test_features_are_taken_whatever_is_drawn(obj, declared, found, seed):
    target = load_object(obj, declared, devices=("cpu",)).target
    target.sizes = (8,)  # as of a constructor that was given this number
    with torch.random.fork_rng(devices=()), target.framework.compiled_anew():  # as in a trial: tests may have compiled
        torch.manual_seed(seed)
        assert features(target, "float32", "cpu") == found
