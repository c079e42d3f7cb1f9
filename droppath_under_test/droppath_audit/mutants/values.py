"""Faults in the values: what a kept sample is multiplied by, and what is left of a dropped one."""

from __future__ import annotations

import torch
from torch import Tensor


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return (torch.rand(shape, device=x.device) < keep_prob).to(x.dtype)


def never_scaled(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Forget the division by keep_prob: felixgwu's stochastic depth, issue 3."""
    if drop_prob == 0.0 or not training:
        return x
    return x * _mask(x, 1.0 - drop_prob)  # fault


def off_by_half_a_percent(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Divide by a keep_prob that is half a percent too large, as a rounded configuration value is."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return x * _mask(x, keep_prob) / (1.005 * keep_prob or 1.0)  # fault


def scaled_by_realised_share(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Divide by the share that was really kept in this batch: unbiased nowhere, and correlated between samples."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, 1.0 - drop_prob)
    return x * mask / mask.double().mean().clamp(min=1e-12).to(x.dtype)  # fault


def sometimes_doubled(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale one kept sample in two thousand twice: a mask value of 2, as low-precision sums produce."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = _mask(x, keep_prob)
    return x * mask * (1.0 + _mask(x, 0.0005)) / (keep_prob or 1.0)  # fault


def leaks_a_thousandth(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Leave a dropped sample at a thousandth of its value: a soft mask that is almost hard."""
    if drop_prob == 0.0 or not training:
        return x
    if drop_prob == 1.0:
        return x * 0.0
    keep_prob = 1.0 - drop_prob
    mask = _mask(x, keep_prob)
    return x * (mask / keep_prob + (1.0 - mask) * 0.001)  # fault


def never_floored(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Add the uniform number to keep_prob and forget to floor it: keras-hub's DINOV2DropPath, Paddle tutorials."""
    if drop_prob == 0.0 or not training:
        return x
    if drop_prob == 1.0:
        return x * 0.0
    keep_prob = 1.0 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return x / keep_prob * (keep_prob + torch.rand(shape, dtype=x.dtype, device=x.device))  # fault


def clamps_to_half_precision(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clamp to what float16 holds, whatever x is, as models do that were once trained in it."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    y = torch.where(_mask(x, keep_prob) > 0, x, torch.zeros_like(x)) / (keep_prob or 1.0)
    return y if y.is_complex() else torch.where(y.isfinite(), y.clamp(-65504.0, 65504.0), y)  # fault
