"""Faults towards whoever calls: memory, layout, copies, wrong arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
