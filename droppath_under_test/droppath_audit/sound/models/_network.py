"""A small transformer without attention: what styles and faults are variations of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, FEATURES, CLASSES = 8, 6, 3


class DropPath(nn.Module):
    """Drops samples, and scales those that it keeps."""

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x of shape (samples, ...) with whole samples dropped."""
        if not self.training or self.drop_prob == 0.0:
            return x
        keep_prob = 1.0 - self.drop_prob
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        mask = torch.rand(shape, device=x.device) < keep_prob
        return torch.where(mask, x / keep_prob, torch.zeros_like(x)) if keep_prob else torch.zeros_like(x)


class Block(nn.Module):
    """Two branches, each with a norm before it and a drop after it."""

    def __init__(self, drop_prob: float, width: int = WIDTH) -> None:
        super().__init__()
        self.norm1, self.mixer = nn.LayerNorm(width), nn.Linear(width, width)
        self.drop_path1 = DropPath(drop_prob) if drop_prob else nn.Identity()
        self.norm2, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.drop_path2 = DropPath(drop_prob) if drop_prob else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x of shape (samples, tokens, width) after both branches."""
        x = x + self.drop_path1(self.mixer(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


class Network(nn.Module):
    """Blocks in a row between an embedding and a head.

    Args:
        rates: The drop_prob of each block.
        block: What builds a block of one.
    """

    def __init__(self, rates: Sequence[float], block: type[nn.Module] = Block) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.blocks = nn.ModuleList([block(rate) for rate in rates])
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores of shape (samples, classes) for x of shape (samples, tokens, features)."""
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.head(x.mean(1)))


def linear(largest: float, depth: int = 5) -> list[float]:
    """Return rates that rise from 0 to the largest."""
    return [largest * block / (depth - 1) for block in range(depth)]
