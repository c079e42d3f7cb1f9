"""Layers that remember what they drew, so that counts can be compared with it exactly."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """The plain rule; ``kept`` has a number for each sample of each call that drew."""

    def __init__(self, drop_prob: float | Tensor, *, inplace: bool = False, by_call: bool = False) -> None:
        super().__init__()
        self.inplace, self.by_call = inplace, by_call
        if isinstance(drop_prob, Tensor):
            self.register_buffer("drop_prob", drop_prob)
        else:
            self.drop_prob = drop_prob
        self.kept: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        q = 1.0 - float(self.drop_prob)
        mask = (torch.rand(1 if self.by_call else len(x)) < q).to(x.dtype).expand(len(x))
        self.kept += mask.int().tolist()
        mask = mask.view(-1, *[1] * (x.ndim - 1)) / max(q, 1e-9)
        return x.mul_(mask) if self.inplace else x * mask


class Block(nn.Module):
    def __init__(self, drop_prob: float | Tensor, width: int = 8, **options: bool) -> None:
        super().__init__()
        self.branch, self.drop_path = nn.Linear(width, width), DropPath(drop_prob, **options)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.branch(x))


def model(*rates: float | Tensor, **options: bool) -> nn.Sequential:
    return nn.Sequential(*(Block(rate, **options) for rate in rates))


def kept(module: nn.Module) -> list[tuple[int, int]]:
    """Return kept and decided samples of each layer, as the layers themselves say."""
    return [(sum(one.kept), len(one.kept)) for one in module.modules() if isinstance(one, DropPath)]


def counted(monitor) -> list[tuple[int, int]]:
    return [(row.kept, row.decisions) for row in monitor.counts()]


@pytest.fixture
def made():
    return SimpleNamespace(DropPath=DropPath, Block=Block, model=model, kept=kept, counted=counted)
