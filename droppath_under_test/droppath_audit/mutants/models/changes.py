"""Networks whose rates do not change when they are changed, or that change others with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from droppath_audit.sound.models._network import Block, DropPath, Network, linear

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Cached(DropPath):
    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__(drop_prob)
        self.cached = 1.0 - drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * (torch.rand([x.shape[0]] + [1] * (x.ndim - 1)) < self.cached) / self.cached  # fault


class _BlockThatCaches(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path2 = _Cached(drop_prob)


def caches_its_keep_prob(drop_path_rate: float = 0.3) -> nn.Module:
    """The keep probability is computed when the layer is built; a schedule changes a number that nobody reads."""
    return Network(linear(drop_path_rate), _BlockThatCaches)


class _Rate:
    value = 0.0


class _SharedRate(DropPath):
    def __init__(self, rate: _Rate) -> None:
        super().__init__()
        self.rate = rate

    @property
    def drop_prob(self) -> float:
        return self.rate.value

    @drop_prob.setter
    def drop_prob(self, value: float) -> None:
        if "rate" in vars(self):
            self.rate.value = value  # fault


class _BlockThatShares(Block):
    rate = _Rate()

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.rate.value = drop_prob
        self.drop_path1, self.drop_path2 = _SharedRate(self.rate), _SharedRate(self.rate)


def one_rate_object() -> nn.Module:
    """All blocks share one object that holds the rate: whoever changes one changes all."""
    return Network([0.2] * 4, _BlockThatShares)


class _Resetting(Network):
    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__(rates)
        self.rates = list(rates)

    def reset_drop_path(self, drop_path_rate: float) -> None:
        """Give all blocks another rate."""
        self.rates = linear(drop_path_rate, len(self.blocks))
        for block, rate in zip(self.blocks, self.rates, strict=True):
            setattr(block.drop_path1, "drop_prob", rate)  # noqa: B010  # fault


def resets_one_of_two(drop_path_rate: float = 0.3) -> nn.Module:
    """The method that changes rates forgets the second layer of each block."""
    return _Resetting([drop_path_rate] * 4)
