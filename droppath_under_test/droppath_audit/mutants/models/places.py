"""Networks in which DropPath stands where it must not, or is not called."""

from __future__ import annotations

import torch
from torch import nn

from droppath_audit.sound.models._network import FEATURES, WIDTH, Block, DropPath, Network, linear


class _AfterTheAddition(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop_path1(x + self.mixer(self.norm1(x)))  # fault
        return x + self.drop_path2(self.mlp(self.norm2(x)))


def after_the_addition(drop_path_rate: float = 0.3) -> nn.Module:
    """The sum is dropped, the sample with it."""
    return Network(linear(drop_path_rate), _AfterTheAddition)


class _OnTheTrunk(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop_path1(x)  # fault
        x = x + self.mixer(self.norm1(x))
        return x + self.drop_path2(self.mlp(self.norm2(x)))


def on_the_trunk(drop_path_rate: float = 0.3) -> nn.Module:
    """What enters the block is dropped, before the branch begins."""
    return Network(linear(drop_path_rate), _OnTheTrunk)


class _DropsTheShortcut(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop_path1(x) + self.mixer(self.norm1(x))  # fault
        return x + self.drop_path2(self.mlp(self.norm2(x)))


def drops_the_shortcut(drop_path_rate: float = 0.3) -> nn.Module:
    """The branch is kept and the shortcut dropped."""
    return Network(linear(drop_path_rate), _DropsTheShortcut)


class _OnTheOnlyPath(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.drop_path1(self.mixer(self.norm1(x)))
        return torch.as_tensor(self.drop_path2(self.mlp(self.norm2(x))))  # fault


def on_the_only_path(drop_path_rate: float = 0.3) -> nn.Module:
    """The second branch has lost its shortcut."""
    return Network(linear(drop_path_rate), _OnTheOnlyPath)


class _BeforeTheHead(Network):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__(linear(drop_path_rate))
        self.final_drop_path = DropPath(drop_path_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.head(self.final_drop_path(x.mean(1))))  # fault


def before_the_head(drop_path_rate: float = 0.3) -> nn.Module:
    """One more drop behind all blocks, where nothing goes past it; the rate is the last block's."""
    return _BeforeTheHead(drop_path_rate)


class _ActiveTwice(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.drop_path1(self.mixer(self.norm1(x)))
        return x + self.drop_path2(self.drop_path2(self.mlp(self.norm2(x))))  # fault


def active_twice(drop_path_rate: float = 0.3) -> nn.Module:
    """The same branch is dropped twice: it is kept with the square of the keep probability."""
    return Network(linear(drop_path_rate), _ActiveTwice)


class _NeverCalled(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # fault
        x = x + self.drop_path1(self.mixer(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


def never_called(drop_path_rate: float = 0.3) -> nn.Module:
    """The layer of the second branch is built, and forgotten in forward (transformers 29140)."""
    return Network(linear(drop_path_rate), _NeverCalled)


class _ListedAndSkipped(nn.Module):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(5)])
        self.drop_paths = nn.ModuleList([DropPath(rate) for rate in linear(drop_path_rate)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # fault
        x = self.embed(x)
        for layer, drop in zip(self.layers, self.drop_paths[:3], strict=False):
            x = x + drop(layer(x))
        return x


def listed_and_skipped(drop_path_rate: float = 0.3) -> nn.Module:
    """Of a list of layers the last are not reached by the loop."""
    return _ListedAndSkipped(drop_path_rate)
