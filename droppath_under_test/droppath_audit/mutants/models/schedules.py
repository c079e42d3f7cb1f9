"""Networks whose rates are not those that were asked for; each is asked for the linear rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from droppath_audit.sound.models._network import WIDTH, Block, DropPath, Network, linear

if TYPE_CHECKING:
    from collections.abc import Sequence


def constant_rates(drop_path_rate: float = 0.3) -> nn.Module:
    """The rate of every block is half of the largest, where linear ones were meant."""
    return Network([drop_path_rate / 2] * 5)  # fault


def largest_everywhere(drop_path_rate: float = 0.3) -> nn.Module:
    """Every block gets the largest rate, as in MAE's first fine-tuning configurations."""
    return Network([drop_path_rate for _ in linear(drop_path_rate)])  # fault


def rates_off_by_one(drop_path_rate: float = 0.3) -> nn.Module:
    """The rate of the next block: the first drops already, and the last two are alike."""
    rates = linear(drop_path_rate)
    return Network([rates[min(block + 1, 4)] for block in range(5)])  # fault


def total_rounded_down(drop_path_rate: float = 0.3) -> nn.Module:
    """The number of blocks is counted by whole stages, so that the last rate exceeds what was asked for."""
    depth = 5
    return Network([drop_path_rate * block / (depth // 2 * 2 - 1) for block in range(depth)])  # fault


def index_that_sticks(drop_path_rate: float = 0.3) -> nn.Module:
    """The counter of blocks is advanced once a stage and not once a block, in a stage of five."""
    rates, index, chosen = linear(drop_path_rate), 0, []
    for block in range(5):
        chosen.append(rates[index])
        index += block == 2  # fault
    return Network(chosen)


def index_never_advanced(drop_path_rate: float = 0.3) -> nn.Module:
    """The counter stays at the first block, whose rate is 0."""
    rates, index = linear(drop_path_rate), 0
    return Network([rates[index] for _ in rates])  # fault


def first_rate_then_the_largest(drop_path_rate: float = 0.3) -> nn.Module:
    """0 for the first block and the largest for all others, as lightly had it."""
    return Network([0.0 if not block else drop_path_rate for block in range(5)])  # fault


class _Lost(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path2 = DropPath()  # fault


def rate_lost_on_the_way(drop_path_rate: float = 0.3) -> nn.Module:
    """The second branch of every block is built with the default, which is 0."""
    return Network(linear(drop_path_rate), _Lost)


def falls_instead_of_rising(drop_path_rate: float = 0.3) -> nn.Module:
    """The list is read from its end."""
    return Network(linear(drop_path_rate)[::-1])  # fault


def rates_above_one(drop_path_rate: float = 0.3) -> nn.Module:
    """Percent where a share is meant."""
    return Network([10 * rate for rate in linear(drop_path_rate)])  # fault


class _ByStages(nn.Module):
    def __init__(self, rates: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.embed = nn.Linear(6, WIDTH)
        self.stages = nn.ModuleList([nn.Sequential(*[Block(rate) for rate in stage]) for stage in rates])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for stage in self.stages:
            x = stage(x)
        return x


def restarts_in_every_stage(drop_path_rate: float = 0.3) -> nn.Module:
    """Each stage computes its own rates from 0."""
    return _ByStages([linear(drop_path_rate, depth) for depth in (2, 4, 2)])  # fault


def rates_of_the_stage_before(drop_path_rate: float = 0.3) -> nn.Module:
    """Stages are sliced at the depth of the stage before, as in transformers 34291."""
    rates, depths = linear(drop_path_rate, 8), (2, 4, 2)
    starts = [sum(depths[: max(0, number - 1)]) for number in range(3)]  # fault
    return _ByStages([rates[start : start + depth] for start, depth in zip(starts, depths, strict=True)])
