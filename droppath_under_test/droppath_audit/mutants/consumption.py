"""Faults in how many random numbers are drawn."""

from __future__ import annotations

import torch
from torch import Tensor


def _apply(x: Tensor, uniform: Tensor, drop_prob: float) -> Tensor:
    mask = (uniform < 1.0 - drop_prob).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def mask_of_full_size(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw a number for every element and look at the first of each sample: a dropout mask put to another use."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = torch.rand(x.shape, dtype=torch.float64, device=x.device)  # fault
    return _apply(
        x, uniform.flatten(1)[:, 0] if x.ndim > 1 and x.numel() else uniform.flatten()[: x.shape[0]], drop_prob
    )


# No fault line: either of two lines is one too many.
def draws_the_mask_twice(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw a mask for the shape, and then the one that counts: left over from a deterministic branch."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
    return _apply(x, torch.rand_like(uniform), drop_prob)


def draws_a_whole_buffer(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw at least 1024 numbers, whatever the batch, and use the first of them: a warp's habit."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = torch.rand(max(1024, x.shape[0]), dtype=torch.float64, device=x.device)  # fault
    return _apply(x, uniform[: x.shape[0]], drop_prob)
