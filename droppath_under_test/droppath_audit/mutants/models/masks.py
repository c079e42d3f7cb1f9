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


class _SequenceFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.blocks = nn.ModuleList([Block(0.2) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).transpose(0, 1)  # tokens, samples, features
        for block in self.blocks:
            x = block(x)
        return x.mean(0)


def one_decision_a_token() -> nn.Module:
    """Samples lie along axis 1, and the layer drops along axis 0: a token of all samples, not a sample."""
    return _SequenceFirst()


class _Windows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mixer = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.drop_path = DropPath(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        windows = x.reshape(2 * len(x), -1, WIDTH)
        windows = self.drop_path(self.mixer(windows))  # fault
        return x + windows.reshape(x.shape)


def one_decision_a_window() -> nn.Module:
    """The branch is dropped before its windows are put together again."""
    return _Windows()


class _Squares(nn.Module):
    def forward(self, x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        keep_prob = 1.0 - drop_prob**2  # fault
        if not self.training:
            return x
        return x * (torch.rand([x.shape[0]] + [1] * (x.ndim - 1)) < keep_prob) / keep_prob


class _ToldAtEachCall(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mixer, self.drop_path = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, WIDTH), _Squares()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for rate in linear(0.4):
            x = x + self.drop_path(self.mixer(x), rate)
        return x


def squared_rate() -> nn.Module:
    """A layer that is told its rate at each call drops at the square of it."""
    return _ToldAtEachCall()
