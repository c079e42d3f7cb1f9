"""Faults of dropping what is no number: a product with zero is not zero."""

from __future__ import annotations

import torch
from torch import Tensor


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape, dtype=torch.float64, device=x.device) < keep_prob


def multiplies_by_its_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply by a mask that was divided first: timm and torchvision, right but for NaN times 0."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, 1.0 - drop_prob).to(x.dtype)
    return x * (mask / ((1.0 - drop_prob) or 1.0))  # fault


def subtracts_what_it_drops(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Subtract dropped samples from the batch: NaN minus NaN, and infinity minus infinity, are NaN."""
    if drop_prob == 0.0 or not training:
        return x
    dropped = torch.where(_mask(x, 1.0 - drop_prob), torch.zeros_like(x), x)
    return (x - dropped) / ((1.0 - drop_prob) or 1.0)  # fault


def interpolates_towards_zero(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Interpolate between zeros and x with the mask as weight, as soft gates do: the weight 0 does not clear NaN."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = (1.0 - drop_prob) or 1.0
    return torch.lerp(torch.zeros_like(x), x / keep_prob, _mask(x, 1.0 - drop_prob).to(x.dtype))  # fault


def clears_nan_alone(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clear NaN in dropped samples before multiplying, and forget the infinities that NaN usually comes from."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, 1.0 - drop_prob)
    cleared = torch.where(~mask & torch.isnan(x), torch.zeros_like(x), x)
    return cleared * mask.to(x.dtype) / ((1.0 - drop_prob) or 1.0)  # fault


def selects_only_below_one(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Select, but take a shortcut for keep_prob = 0 that multiplies by it."""
    if drop_prob == 0.0 or not training:
        return x
    if drop_prob == 1.0:
        return x * 0.0  # fault
    return torch.where(_mask(x, 1.0 - drop_prob), x, torch.zeros_like(x)) / (1.0 - drop_prob)


def multiplies_the_dropped_rows(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Index the dropped samples and multiply them by 0 where 0 should be assigned."""
    if drop_prob == 0.0 or not training:
        return x
    factor = torch.full((x.shape[0],), 1.0 / ((1.0 - drop_prob) or 1.0), dtype=torch.float64, device=x.device)
    factor[torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < drop_prob] = 0.0
    return x * factor.to(x.dtype).to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))  # fault


def makes_numbers_of_what_is_none(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clear the NaN that infinity times 0 is, in kept samples too: nobody hears that the branch has overflowed."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, 1.0 - drop_prob).to(x.dtype)
    return torch.nan_to_num(x * mask / ((1.0 - drop_prob) or 1.0))  # fault


def clips_what_it_keeps(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clip what dividing by a small keep_prob lets overflow, as mixed-precision code does: x is clipped with it."""
    if drop_prob == 0.0 or not training:
        return x
    largest = torch.finfo(x.dtype).max
    kept = (x / ((1.0 - drop_prob) or 1.0)).clamp(-largest, largest)  # fault
    return torch.where(_mask(x, 1.0 - drop_prob), kept, torch.zeros_like(x))
