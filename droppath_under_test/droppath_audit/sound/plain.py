"""Sound variants by how the mask is drawn and applied."""

from __future__ import annotations

import torch
from torch import Tensor


def selects_by_where(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare a float32 uniform number with keep_prob, then select with where."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    kept = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)).to(x.device) < keep_prob
    return torch.where(kept, x / keep_prob if keep_prob else x, torch.zeros_like(x))


def multiplies_by_a_scaled_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw the mask with bernoulli_ in x's dtype, scale the mask, then multiply: timm's way."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
    return x * (mask.div_(keep_prob) if keep_prob else mask)
