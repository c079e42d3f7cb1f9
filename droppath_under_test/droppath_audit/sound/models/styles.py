"""Networks that drop the branches of their blocks in styles of their own."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from droppath_audit.sound.models._network import FEATURES, WIDTH, Block, DropPath, Network, linear


class _PostNorm(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(x + self.drop_path1(self.mixer(x)))
        return torch.as_tensor(self.norm2(x + self.drop_path2(self.mlp(x))))


def norm_after_the_sum(drop_path_rate: float = 0.3) -> nn.Module:
    """Post-norm: with everything dropped a block is the norm of its shortcut."""
    return Network(linear(drop_path_rate), _PostNorm)


class _Parallel(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm1(x)
        return x + (self.drop_path1(self.mixer(h)) + self.drop_path2(self.mlp(h)))


def branches_in_parallel(drop_path_rate: float = 0.3) -> nn.Module:
    """Both branches are added to each other first."""
    return Network(linear(drop_path_rate), _Parallel)


class _InPlace(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x += self.drop_path1(self.mixer(self.norm1(x)))
        return x.add_(self.drop_path2(self.mlp(self.norm2(x))))


def sums_in_place(drop_path_rate: float = 0.3) -> nn.Module:
    """The sum overwrites the shortcut."""
    return Network(linear(drop_path_rate), _InPlace)


class _OneForBoth(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.norm, self.mixer, self.mlp = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.gamma = nn.Parameter(torch.full((WIDTH,), 0.1))
        self.drop_path = DropPath(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.gamma * self.drop_path(self.mixer(self.norm(x)))
        return x + self.drop_path(self.gamma * self.mlp(self.norm(x)))


def one_layer_for_both_branches(drop_path_rate: float = 0.3) -> nn.Module:
    """One module drops both branches of its block; a gain stands before it, or after it."""
    return Network(linear(drop_path_rate), _OneForBoth)


class _Residual(nn.Module):
    def __init__(self, function: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.function, self.drop = function, DropPath(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop(self.function(x))


class _Wrapped(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.residuals = nn.Sequential(
            *[_Residual(nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)), drop_prob) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.residuals(x))


def branches_in_wrappers(drop_path_rate: float = 0.3) -> nn.Module:
    """Each branch is held by a module that adds it."""
    return Network(linear(drop_path_rate), _Wrapped)


class _Checkpointed(Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(checkpoint(super().forward, x, use_reentrant=False))


def recomputes_its_blocks(drop_path_rate: float = 0.3) -> nn.Module:
    """Blocks run under activation checkpointing."""
    return Network(linear(drop_path_rate), _Checkpointed)


def _drop_connect(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """Return x with whole samples dropped."""
    if not training or p == 0.0:
        return x
    keep_prob = 1.0 - p
    mask = torch.floor(keep_prob + torch.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype, device=x.device))
    return x / keep_prob * mask


class _Convolution(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out)

    def forward(self, x: torch.Tensor, rate: float) -> torch.Tensor:
        y = self.norm(self.convolution(x))
        return x + _drop_connect(y, p=rate, training=self.training) if x.shape == y.shape else y


class _ConvolutionalNetwork(nn.Module):
    """Blocks that are told their rate when they are called, and drop by a function; some have no shortcut."""

    def __init__(self, drop_connect_rate: float) -> None:
        super().__init__()
        self.rate = drop_connect_rate
        widths = (3, 4, 4, 8, 8, 8)
        self.blocks = nn.ModuleList([_Convolution(*pair) for pair in pairwise(widths)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of shape (samples, channels)."""
        for number, block in enumerate(self.blocks):
            x = block(x, self.rate * number / len(self.blocks))
        return x.mean((2, 3))


def drops_by_a_function(drop_connect_rate: float = 0.3) -> nn.Module:
    """EfficientNet's style: rates are computed in forward, and end before the largest."""
    return _ConvolutionalNetwork(drop_connect_rate)


class _Survival(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.norm, self.mixer = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        self.stochastic_depth = _StochasticDepth(1.0 - drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.stochastic_depth(self.mixer(self.norm(x)))


class _StochasticDepth(nn.Module):
    """Keeps with a survival probability; scales in evaluation, as the original paper does."""

    def __init__(self, survival_prob: float) -> None:
        super().__init__()
        self.survival_prob = survival_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x with whole samples dropped, or times the survival probability."""
        if not self.training:
            return self.survival_prob * x
        mask = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), device=x.device) < self.survival_prob
        return x * mask


def scales_in_evaluation(drop_path_rate: float = 0.3) -> nn.Module:
    """Survival probabilities, and the paper's scaling."""
    return Network(linear(drop_path_rate), _Survival)


class _Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.layers = nn.ModuleList([Block(rate) for rate in linear(0.2, 4)])

    def forward(self, pixel_values: torch.Tensor, head_mask: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        hidden = self.embed(pixel_values)
        for layer in self.layers:
            hidden = layer(hidden)
        return {"last_hidden_state": hidden if head_mask is None else hidden * head_mask}


def returns_a_mapping() -> nn.Module:
    """Named arguments, and a mapping of outputs."""
    return _Named()


def _drop_path_along(x: torch.Tensor, drop_prob: float, training: bool, axis: int) -> torch.Tensor:
    if not training or drop_prob == 0.0:
        return x
    shape = [size if number == axis else 1 for number, size in enumerate(x.shape)]
    return x * (torch.rand(shape) < 1.0 - drop_prob) / (1.0 - drop_prob)


class _SequenceFirst(nn.Module):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__()
        self.embed, self.rates = nn.Linear(FEATURES, WIDTH), linear(drop_path_rate, 4)
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in self.rates])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).transpose(0, 1)  # tokens, samples, features
        for layer, rate in zip(self.layers, self.rates, strict=True):
            x = x + _drop_path_along(layer(x), rate, self.training, 1)
        return x.mean(0)


def samples_along_axis_one(drop_path_rate: float = 0.3) -> nn.Module:
    """Tokens come first, and the mask lies along the axis of the samples."""
    return _SequenceFirst(drop_path_rate)


class _DropPathOf(nn.Module):
    def forward(self, x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        return _drop_path_along(x, drop_prob, self.training, 0)


class _Recurrent(nn.Module):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__()
        self.embed, self.norm, self.mixer = nn.Linear(FEATURES, WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        self.drop_path, self.rates = _DropPathOf(), linear(drop_path_rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for rate in self.rates:
            x = x + self.drop_path(self.mixer(self.norm(x)), rate)
        return x


def told_at_each_call(drop_path_rate: float = 0.3) -> nn.Module:
    """One block is run again and again, and its layer is told its rate by an argument."""
    return _Recurrent(drop_path_rate)


class _Dense(nn.Module):
    def __init__(self, drop_path_rate: float) -> None:
        super().__init__()
        rates = linear(drop_path_rate, 4)
        self.layers = nn.ModuleList([nn.Linear(FEATURES + 2 * number, 2) for number in range(4)])
        self.drops = nn.ModuleList([DropPath(rate) for rate in rates])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = torch.cat([x, drop(torch.relu(layer(x)) + 0.1)], -1)
        return x


def puts_features_side_by_side(drop_path_rate: float = 0.3) -> nn.Module:
    """A dense network: what a layer adds stands beside its input."""
    return _Dense(drop_path_rate)


class _Projected(nn.Module):
    def __init__(self, channels: int, out: int, drop_prob: float) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(channels, out, 3, 2, 1), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, 2), nn.BatchNorm2d(out))
        self.drop_path = DropPath(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.drop_path(self.norm(self.convolution(x))) + self.downsample(x))


def shortcuts_with_a_projection(drop_path_rate: float = 0.3) -> nn.Module:
    """A ResNet whose blocks all change the width: the shortcut is a convolution of its own."""
    rates = linear(drop_path_rate, 3)
    return nn.Sequential(*[_Projected(3 + number, 4 + number, rate) for number, rate in enumerate(rates)])
