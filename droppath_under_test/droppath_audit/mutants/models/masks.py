"""Networks whose layers do not decide as a layer of a model must: together, twice, in evaluation, by another rate."""

from __future__ import annotations

import torch
from torch import nn

from droppath_audit.sound.models._network import FEATURES, WIDTH, Block, DropPath, Network, linear


class _Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.blocks = nn.ModuleList([Block(0.2) for _ in range(4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, state = self.embed(x), torch.get_rng_state()
        for number, block in enumerate(self.blocks):
            if number == 2:
                torch.set_rng_state(state)  # fault
            x = block(x)
        return x


def one_mask_for_two_blocks() -> nn.Module:
    """The generator is set back between two blocks, which then share their masks."""
    return _Shared()


class _SeedsItself(DropPath):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        generator = torch.Generator().manual_seed(int(x.shape[0]) + int(torch.randint(1000, ())) // 500)
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), generator=generator) < 1.0 - self.drop_prob  # fault
        return x * mask / (1.0 - self.drop_prob)


class _BlockThatSeeds(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path1, self.drop_path2 = _SeedsItself(drop_prob), _SeedsItself(drop_prob)


def seeds_itself() -> nn.Module:
    """Layers draw from generators of their own, of which there are two seeds: pairs of layers share a mask."""
    return Network([0.3] * 3, _BlockThatSeeds)


class _Halved(DropPath):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop_prob == 0.0:
            return x
        keep_prob = 1.0 - self.drop_prob / 2  # fault
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1)) < keep_prob
        return x * mask / keep_prob


class _BlockThatHalves(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path2 = _Halved(drop_prob)


def rate_halved_on_use(drop_path_rate: float = 0.3) -> nn.Module:
    """The rate that the layer holds is divided among the branches when it is used."""
    return Network(linear(drop_path_rate), _BlockThatHalves)


class _BlockWithDropout(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path2 = nn.Dropout(drop_prob)  # type: ignore[assignment]


def element_dropout(drop_path_rate: float = 0.3) -> nn.Module:
    """Element dropout in the place of DropPath."""
    return Network(linear(drop_path_rate), _BlockWithDropout)


class _AlwaysOn(DropPath):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep_prob = 1.0 - self.drop_prob
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1)) < keep_prob  # fault
        return x * mask / max(keep_prob, 1e-9)


class _BlockAlwaysOn(Block):
    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drop_path1 = _AlwaysOn(drop_prob)


def active_in_evaluation(drop_path_rate: float = 0.3) -> nn.Module:
    """One layer of each block does not look at the mode."""
    return Network(linear(drop_path_rate), _BlockAlwaysOn)


class _Held(nn.Module):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(4)])
        self.drops = [DropPath(rate) for rate in linear(drop_path_rate, 4)]  # fault

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = x + drop(layer(x))
        return x


def held_in_a_list(drop_path_rate: float = 0.3) -> nn.Module:
    """Layers in a plain list, which eval() does not reach."""
    return _Held(drop_path_rate)


def _drop_path(x: torch.Tensor, drop_prob: float = 0.0, training: bool = True) -> torch.Tensor:
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    return x * (torch.rand([x.shape[0]] + [1] * (x.ndim - 1)) < keep_prob) / max(keep_prob, 1e-9)


class _CallsAFunction(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.rate, self.norm, self.mixer = drop_prob, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + _drop_path(self.mixer(self.norm(x)), self.rate)  # fault


def mode_not_handed_on(drop_path_rate: float = 0.3) -> nn.Module:
    """The function is called without the mode, and its default is training."""
    return Network(linear(drop_path_rate), _CallsAFunction)
