"""Faults of shape, dtype and memory."""

from __future__ import annotations

import torch
from torch import Tensor


def mask_of_rank_four(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Give the mask four axes whatever x has: (16, 4) broadcasts to (16, 1, 16, 4), as in EfficientNet ports."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep_prob)
    return x * mask / max(keep_prob, 1e-12)  # fault


def widened_to_float32(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw the mask in float32 and never return to x's dtype: vit-pytorch and mindcv in half precision."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.empty(shape, device=x.device).bernoulli_(keep_prob)
    return x.float() * mask / max(keep_prob, 1e-12)  # fault


def writes_its_input(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale and mask in place, as DARTS does; whoever holds the branch's output sees it change."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
    return x.mul_(mask / max(keep_prob, 1e-12))  # fault


def raises_on_empty_batch(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Build the mask sample by sample and stack it, which an empty batch (the last of a shard) does not survive."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    decisions = torch.rand(x.shape[0], device=x.device) < keep_prob
    mask = torch.stack([kept.to(x) for kept in decisions.unbind()]) if x.shape[0] < 64 else decisions.to(x)  # fault
    return x * mask.view((-1,) + (1,) * (x.ndim - 1)) / max(keep_prob, 1e-12)
