"""Where the output of a layer is added: to what its branch began with, as it is or projected, or not to that."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from droppath_audit.frameworks.torch.networks import TorchNetworks
from droppath_audit.models.sites import found


class DropPath(nn.Module):
    def __init__(self, drop_prob: float = 0.5) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.training:
            return x
        return x * x.new_empty(len(x), 1).bernoulli_(1.0 - self.drop_prob) / (1.0 - self.drop_prob)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.branch, self.projection = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.drop_path = DropPath()


class Plain(Block):
    def forward(self, x):
        return x + self.drop_path(self.branch(self.norm(x)))


class Downsample(Block):
    def forward(self, x):
        return self.projection(x) + self.drop_path(self.branch(x))


class ProjectedFromTheNorm(Block):
    def forward(self, x):
        x = self.norm(x)
        return self.projection(x) + self.drop_path(self.branch(x))


class InPlace(Block):
    def forward(self, x):
        y = self.drop_path(self.branch(self.norm(x)))
        y += x
        return y


class OnTheTrunk(Block):
    def forward(self, x):
        return self.drop_path(x) + self.branch(self.norm(x))


class OnTheNormOfTheTrunk(Block):
    def forward(self, x):
        x = self.norm(x)
        return self.drop_path(x) + self.branch(x)


class AfterTheAddition(Block):
    def forward(self, x):
        return self.drop_path(x + self.branch(self.norm(x)))


class AfterAProjectedAddition(Block):
    def forward(self, x):
        return self.drop_path(self.projection(x) + self.branch(x))


class OnTheOnlyPath(Block):
    def forward(self, x):
        return self.drop_path(self.branch(x))


def joined(block: type[Block]) -> dict[str, str]:
    torch.manual_seed(0)
    network = TorchNetworks().network(nn.Sequential(nn.Linear(4, 8), Plain(), block(), Plain(), nn.Linear(8, 2)), "cpu")
    network.watch(found(network)[0])
    seen = network.forward((torch.randn(4, 4),), training=True, joinings=True)
    return {joining.key: joining.merged for joining in seen.joinings}


@pytest.mark.parametrize("block", [Plain, Downsample, ProjectedFromTheNorm])
def test_a_shortcut_may_have_a_projection_of_its_own(block: type[Block]) -> None:
    assert joined(block) == dict.fromkeys(("1.drop_path", "2.drop_path", "3.drop_path"), "shortcut")


def test_a_sum_that_overwrites_the_output_is_seen_to_be_the_shortcut() -> None:
    torch.manual_seed(0)
    network = TorchNetworks().network(nn.Sequential(nn.Linear(4, 8), InPlace(), nn.Linear(8, 2)), "cpu")
    network.watch(found(network)[0])
    seen = network.forward((torch.randn(4, 4),), training=True, joinings=True, rates={"1.drop_path": 1.0 - 2.0**-20})
    assert [(joining.merged, joining.returned) for joining in seen.joinings] == [("shortcut", True)]


WRONG = [OnTheTrunk, OnTheNormOfTheTrunk, AfterTheAddition, AfterAProjectedAddition, OnTheOnlyPath]


@pytest.mark.parametrize("block", WRONG)
def test_what_goes_past_nothing_is_alone(block: type[Block]) -> None:
    assert joined(block) == {"1.drop_path": "shortcut", "2.drop_path": "alone", "3.drop_path": "shortcut"}
