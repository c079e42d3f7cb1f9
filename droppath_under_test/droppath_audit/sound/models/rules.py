"""Networks whose rates follow one rule or another."""

from __future__ import annotations

import torch
from torch import nn

from droppath_audit.sound.models._network import FEATURES, WIDTH, Block, Network, linear


def rises_linearly(drop_path_rate: float = 0.3) -> nn.Module:
    """From 0 to the largest; the first block holds an identity."""
    return Network(linear(drop_path_rate))


def rises_in_float32(drop_path_rate: float = 0.3) -> nn.Module:
    """The same by torch.linspace, whose numbers are rounded to single precision."""
    return Network([rate.item() for rate in torch.linspace(0, drop_path_rate, 7)])


def ends_before_the_largest(drop_path_rate: float = 0.3) -> nn.Module:
    """L/L blocks: EfficientNet's rule, which never reaches the largest rate."""
    return Network([drop_path_rate * block / 5 for block in range(5)])


def begins_above_zero(drop_path_rate: float = 0.3) -> nn.Module:
    """(l+1)/L: the original paper's rule."""
    return Network([drop_path_rate * (block + 1) / 5 for block in range(5)])


def every_block_alike(drop_path_rate: float = 0.3) -> nn.Module:
    """One rate for all blocks."""
    return Network([drop_path_rate] * 4)


class _Stages(nn.Module):
    """_Stages of blocks with a layer between them that changes the width.

    Args:
        rates: The drop_probs of the blocks of each stage.
    """

    def __init__(self, rates: list[list[float]]) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.stages = nn.ModuleList()
        for number, stage in enumerate(rates):
            width = WIDTH * 2**number
            downsample = nn.Linear(width // 2, width) if number else nn.Identity()
            blocks = nn.Sequential(*[Block(rate, width) for rate in stage])
            self.stages.append(nn.ModuleDict({"downsample": downsample, "blocks": blocks}))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of shape (samples, last width)."""
        x = self.embed(x)
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleDict)  # noqa: S101 - as they are built
            x = stage["blocks"](stage["downsample"](x))
        return x.mean(1)


def rises_through_stages(drop_path_rate: float = 0.3) -> nn.Module:
    """Linear over the blocks of all stages together, as in Swin."""
    rates, depths = linear(drop_path_rate, 6), (1, 3, 2)
    starts = [sum(depths[:number]) for number in range(len(depths))]
    return _Stages([rates[start : start + depth] for start, depth in zip(starts, depths, strict=True)])


def rises_by_stage(drop_path_rate: float = 0.3) -> nn.Module:
    """One rate a stage."""
    return _Stages([[rate] * depth for rate, depth in zip(linear(drop_path_rate, 3), (2, 3, 1), strict=True)])


class _EncoderDecoder(nn.Module):
    """Two stacks, each with rates of its own.

    Args:
        encoder: The drop_probs of the first.
        decoder: Those of the second.
    """

    def __init__(self, encoder: list[float], decoder: list[float]) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.encoder = nn.Sequential(*[Block(rate) for rate in encoder])
        self.decoder = nn.Sequential(*[Block(rate) for rate in decoder])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens."""
        return torch.as_tensor(self.decoder(self.encoder(self.embed(x))))


def two_stacks(drop_path_rate: float = 0.3) -> nn.Module:
    """An encoder and a shorter decoder, both from 0 to the largest."""
    return _EncoderDecoder(linear(drop_path_rate), linear(drop_path_rate, 3))
