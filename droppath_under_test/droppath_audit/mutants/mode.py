"""Faults of mode: what happens in evaluation, and at drop_prob = 0."""

from __future__ import annotations

import torch
from torch import Tensor


# No fault line: what is missing is a look at the mode.
def active_in_evaluation(x: Tensor, drop_prob: float, training: bool) -> Tensor:  # noqa: ARG001
    """Drop in evaluation as well: the flag is taken and forgotten, as in ports of Swin Transformer."""
    if drop_prob in (0.0, 1.0):
        return x * (1.0 - drop_prob)
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
    return x * mask / keep_prob


def scaled_in_evaluation(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale both in training and in evaluation: the paper's rule and the inverted one at once."""
    keep_prob = 1.0 - drop_prob
    if not training:
        return x * keep_prob  # fault
    if drop_prob in (0.0, 1.0):
        return x * keep_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
    return x * mask / keep_prob


def floor_without_shortcut(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Floor 1 + rand at drop_prob = 0, where rand rounds up to 1 in half precision: EfficientNet's drop_connect."""
    if not training:
        return x
    keep_prob = 1.0 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return x / keep_prob * torch.floor(keep_prob + torch.rand(shape, dtype=x.dtype, device=x.device))  # fault


def drops_at_zero_uniform(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep where rand > drop_prob: at drop_prob = 0 a uniform number of exactly 0 drops (boltz issue 553)."""
    if not training:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, dtype=x.dtype, device=x.device) > drop_prob  # fault
    return torch.where(mask, x / max(1.0 - drop_prob, 1e-12), torch.zeros_like(x))
