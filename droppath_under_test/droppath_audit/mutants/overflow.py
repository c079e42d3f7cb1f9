"""Faults of overflow: products and sums on the way that are larger than the result."""

from __future__ import annotations

import torch
from torch import Tensor


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape, dtype=torch.float64, device=x.device) < keep_prob


def _selected(x: Tensor, keep_prob: float) -> Tensor:
    """Select correctly, so that a mutant has one fault only."""
    return torch.where(_mask(x, keep_prob), x, torch.zeros_like(x))


def adds_what_it_subtracts(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Subtract the scaled branch from itself where it is dropped: infinity minus infinity once it overflows."""
    if drop_prob == 0.0 or not training:
        return x
    scaled = x / ((1.0 - drop_prob) or 1.0)
    return scaled - torch.where(_mask(x, 1.0 - drop_prob), torch.zeros_like(x), scaled)  # fault


def scales_in_percent(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply by a hundred before dividing by percents, as configurations in percent invite: float16 ends at 655."""
    if drop_prob == 0.0 or not training:
        return x
    return _selected(x, 1.0 - drop_prob) * 100 / ((100.0 - 100.0 * drop_prob) or 1.0)  # fault


def multiplies_by_the_batch_size(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply by B before dividing by the B q samples that are kept on average: DINOv2's scale, in the wrong order."""
    if drop_prob == 0.0 or not training:
        return x
    batch = max(1, x.shape[0])
    return _selected(x, 1.0 - drop_prob) * batch / ((batch * (1.0 - drop_prob)) or 1.0)  # fault


def factor_in_the_dtype_of_x(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Store 1/keep_prob in x's dtype to save a division: in float16 it is infinite for a keep_prob below 1.5e-5."""
    if drop_prob == 0.0 or not training:
        return x
    y = _selected(x, 1.0 - drop_prob)
    factor = torch.tensor(1.0 / ((1.0 - drop_prob) or 1.0), dtype=x.dtype, device=x.device)  # fault
    return torch.where(y == 0, y, y * factor)


def unscales_what_it_scaled(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Get the unscaled dialect by multiplying an inverted dropout by keep_prob again, which overflows in between."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = (1.0 - drop_prob) or 1.0
    return _selected(x, 1.0 - drop_prob) / keep_prob * keep_prob  # fault


unscales_what_it_scaled.items = "scaling=none"  # type: ignore[attr-defined]


def subtracts_from_the_sum(shortcut: Tensor, x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Add every branch to its shortcut and take the dropped ones away again: of infinity nothing can be taken away."""
    if drop_prob == 0.0 or not training:
        return shortcut + x
    scaled = x / ((1.0 - drop_prob) or 1.0)
    return shortcut + scaled - torch.where(_mask(x, 1.0 - drop_prob), torch.zeros_like(x), scaled)  # fault


subtracts_from_the_sum.items = "form=residual"  # type: ignore[attr-defined]
