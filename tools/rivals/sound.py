"""Sound layers, written as the field writes them: what a suite must not reject."""

from __future__ import annotations

import torch
from torch import Tensor


def _shape(x: Tensor) -> tuple[int, ...]:
    return (x.shape[0],) + (1,) * (x.ndim - 1)


def bernoulli(x: Tensor, drop_prob: float = 0.0, training: bool = False) -> Tensor:
    """Multiply by a Bernoulli mask that was divided by keep_prob."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty(_shape(x)).bernoulli_(keep_prob)
    if keep_prob > 0.0:
        mask.div_(keep_prob)
    return x * mask


def compared(x: Tensor, drop_prob: float = 0.0, training: bool = False) -> Tensor:
    """Select where a uniform number of double precision is below keep_prob."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    kept = torch.rand(_shape(x), dtype=torch.float64, device=x.device) < keep_prob
    return torch.where(kept, x / (keep_prob or 1.0), 0.0)


def noise(x: Tensor, drop_prob: float = 0.0, training: bool = False) -> Tensor:
    """Multiply by what dropout makes of ones, one for each sample."""
    if drop_prob == 0.0 or not training:
        return x
    return x * torch.nn.functional.dropout(x.new_ones(_shape(x)), drop_prob, training=True)


SOUND = ("bernoulli", "compared", "noise")
