"""Faults at keep_prob = 0."""

from __future__ import annotations

import torch
from torch import Tensor


def _ordinary(x: Tensor, drop_prob: float) -> Tensor:
    """Apply DropPath correctly for keep_prob > 0."""
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / (1.0 - drop_prob)


def identity_at_keep_prob_zero(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take drop_prob = 1 for "switched off", with a test for the open interval only."""
    if not 0.0 < drop_prob < 1.0 or not training:  # fault
        return x
    return _ordinary(x, drop_prob)


def clamps_keep_prob(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clamp keep_prob away from 0 to avoid the division, and so keep one sample in ten, scaled by ten."""
    if drop_prob == 0.0 or not training:
        return x
    return _ordinary(x, min(drop_prob, 0.9) if drop_prob == 1.0 else drop_prob)  # fault


def fresh_zeros_at_keep_prob_zero(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return new zeros at keep_prob = 0, which cuts the branch out of the graph; data-parallel training then hangs."""
    if drop_prob == 0.0 or not training:
        return x
    return torch.zeros_like(x) if drop_prob == 1.0 else _ordinary(x, drop_prob)  # fault


def nan_backward_at_keep_prob_zero(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Select zeros after dividing: the forward pass is right, and the gradient is 0/0."""
    if drop_prob == 0.0 or not training:
        return x
    if drop_prob < 1.0:
        return _ordinary(x, drop_prob)
    scaled = x / x.new_zeros(())  # fault
    return torch.where(torch.zeros_like(x, dtype=torch.bool), scaled, torch.zeros_like(x))
