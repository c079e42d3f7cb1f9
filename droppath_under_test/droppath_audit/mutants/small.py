"""Faults on tensors that are small: no samples, one sample, no features, no axes, and on numbers that are extreme."""

from __future__ import annotations

import torch
from torch import Tensor


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape, device=x.device) < keep_prob


def _applied(x: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
    """Apply a mask correctly, so that a mutant has one fault only."""
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)


def flattens_its_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Flatten every sample with -1, which a tensor without elements leaves undetermined."""
    if drop_prob == 0.0 or not training:
        return x
    flat = x.reshape(x.shape[0], -1)  # fault
    return _applied(flat, _mask(flat, 1.0 - drop_prob), 1.0 - drop_prob).reshape(x.shape)


def squeezes_single_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Squeeze every axis of size 1 away, meaning one of them: a batch of one sample loses its batch axis."""
    if drop_prob == 0.0 or not training:
        return x
    y = _applied(x.unsqueeze(-1), _mask(x.unsqueeze(-1), 1.0 - drop_prob), 1.0 - drop_prob)
    return y.squeeze() if 1 not in x.shape[1:] else y.squeeze(-1)  # fault


def whole_percents(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare a whole percent with a random one, as configurations in percent invite: 0.001 never drops."""
    if drop_prob == 0.0 or not training:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.randint(100, shape, device=x.device) >= round(100 * drop_prob)  # fault
    return _applied(x, mask, 1.0 - drop_prob)


def keep_prob_in_the_dtype_of_x(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compute 1 - drop_prob in x's dtype, where 0.999 may round to 1: kept bfloat16 samples are divided by zero."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - torch.tensor(drop_prob, dtype=x.dtype, device=x.device)  # fault
    y = torch.where(_mask(x, 1.0 - drop_prob), x, torch.zeros_like(x))
    return torch.where(y == 0, y, y / keep_prob)


def truncates_integers(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Convert back to x's dtype whatever it is: integers are truncated, and the mean is no longer preserved."""
    if drop_prob == 0.0 or not training:
        return x
    return _applied(x, _mask(x, 1.0 - drop_prob), 1.0 - drop_prob).to(x.dtype)  # fault


def adds_an_axis_to_scalars(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Make sure that there is a batch axis, and forget to remove it: a scalar comes back with one axis."""
    if drop_prob == 0.0 or not training:
        return x
    x = x if x.ndim else x.unsqueeze(0)  # fault
    return _applied(x, _mask(x, 1.0 - drop_prob), 1.0 - drop_prob)
