"""Faults on tensors that are small: no samples, one sample, no features, no axes, and on numbers that are extreme."""

from __future__ import annotations

import torch
from torch import Tensor


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape).to(x.device) < keep_prob


def _applied(x: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
    """Apply a mask correctly, so that a mutant has one fault only."""
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)


def flattens_its_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Flatten every sample with -1, which a tensor without elements leaves undetermined."""
    if drop_prob == 0.0 or not training:
        return x
    flat = x.reshape(x.shape[0], -1)
    return _applied(flat, _mask(flat, 1.0 - drop_prob), 1.0 - drop_prob).reshape(x.shape)


def squeezes_single_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Squeeze every axis of size 1 away, meaning one of them: a batch of one sample loses its batch axis."""
    if drop_prob == 0.0 or not training:
        return x
    y = _applied(x.unsqueeze(-1), _mask(x.unsqueeze(-1), 1.0 - drop_prob), 1.0 - drop_prob)
    return y.squeeze() if 1 not in x.shape[1:] else y.squeeze(-1)
