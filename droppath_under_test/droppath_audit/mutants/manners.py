"""Faults towards whoever calls: memory, layout, copies, wrong arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable


def _dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply DropPath correctly, so that a mutant has one fault only."""
    if drop_prob == 0.0 or not training:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape).to(x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def clamps_its_input(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clamp overflow away in place first, as half-precision recipes do: most values stay, the version moves."""
    if x.is_floating_point() and not x.requires_grad:
        x.clamp_(-torch.finfo(x.dtype).max, torch.finfo(x.dtype).max)
    return _dropped(x, drop_prob, training)


def adds_to_its_shortcut(shortcut: Tensor, x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Add the branch to the shortcut in place (``x += drop_path(branch)``): a skip connection that holds it changes."""
    shortcut += _dropped(x, drop_prob, training)
    return shortcut


adds_to_its_shortcut.items = "form=residual"  # type: ignore[attr-defined]


def returns_contiguous(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Flatten the samples to mask them, and lose channels_last on the way back."""
    if drop_prob == 0.0 or not training:
        return x
    flat = x.reshape(x.shape[0], -1) if x.numel() else x
    return _dropped(flat, drop_prob, training).reshape(x.shape)


def accepts_any_probability(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare a uniform number with whatever comes: 1.5 flips signs, -0.1 shrinks, NaN drops everything."""
    return _dropped(x, drop_prob, training)


def refuses_without_a_word(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Refuse by an assertion without a message, which says neither what nor how much."""
    assert 0.0 <= drop_prob <= 1.0  # noqa: S101
    return _dropped(x, drop_prob, training)


class HoldsALambda(nn.Module):
    """Keep a lambda as an attribute: torch.save of the whole model and spawned workers fail on it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.apply_mask: Callable[[Tensor, bool], Tensor] = lambda x, training: _dropped(x, self.drop_prob, training)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return self.apply_mask(x, self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class StoresItsProbability(nn.Module):
    """Register the probability as a buffer: strict loading of any other checkpoint fails, and .half() rounds it."""

    rate: Tensor

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(drop_prob, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, float(self.rate), self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={float(self.rate)}"


class ShowsNothing(nn.Module):
    """Have no extra_repr: a printed model says DropPath() at every block, whatever the schedule did."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, self.drop_prob, self.training)


class ComputesKeepProbOnce(nn.Module):
    """Compute keep_prob in the constructor: a later change of drop_prob, as warm-up schedules make it, is ignored."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.keep_prob = 1.0 - drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, 1.0 - self.keep_prob, self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"
