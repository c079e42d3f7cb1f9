"""Faults of other samples: what one holds changes what becomes of the rest of its batch, or how often it drops."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def _selected(x: Tensor, mask: Tensor, drop_prob: float) -> Tensor:
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _mask(x: Tensor, drop_prob: float) -> Tensor:
    decisions = torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))


def _dropped(x: Tensor, drop_prob: float) -> Tensor:
    """Apply DropPath correctly, so that a mutant has one fault only."""
    return _selected(x, _mask(x, drop_prob), drop_prob)


def _hold_nan(x: Tensor) -> Tensor:
    return torch.isnan(x).reshape(x.shape[0], -1).any(dim=1).view((x.shape[0],) + (1,) * (x.ndim - 1))  # fault


def adds_nothing_times_the_mean(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Add 0 times the mean of x, so that every sample stays in the graph: one NaN makes NaN of the whole batch."""
    if drop_prob == 0.0 or not training or not x.numel():
        return x
    return _dropped(x, drop_prob) + 0 * x.mean()  # fault


def idle_where_anything_is_not_finite(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return x for others to look at where anything in it is not finite: one sample decides over all."""
    if drop_prob == 0.0 or not training or not bool(torch.isfinite(x).all()):  # fault
        return x
    return _dropped(x, drop_prob)


def spares_samples_that_hold_nan(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep every sample that holds NaN, so that a fault in the branch is not hidden: the sum is spoilt every time."""
    if drop_prob == 0.0 or not training or not x.numel():
        return x
    kept = _mask(x, drop_prob) | (_hold_nan(x) & (drop_prob < 1.0))
    return _selected(x, kept, drop_prob)


def drops_samples_that_hold_nan(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop every sample that holds NaN, to survive it: no loss shows that the branch has failed."""
    if drop_prob == 0.0 or not training or not x.numel():
        return x
    return _selected(x, _mask(x, drop_prob) & ~_hold_nan(x), drop_prob)


class _Guarded(torch.autograd.Function):
    """Drop, with a backward pass that looks at the whole gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop_prob: float) -> Tensor:
        """Drop."""
        mask = _mask(x, drop_prob)
        ctx.save_for_backward(mask)
        ctx.drop_prob = drop_prob
        return _selected(x, mask, drop_prob)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Drop the gradient, all of it where any of it is not finite."""
        (mask,) = ctx.saved_tensors
        return _selected(grad, mask & bool(torch.isfinite(grad).all()), ctx.drop_prob), None  # fault


def gradient_is_skipped_for_all(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Give no gradient to a batch in which one is not finite, as scalers of the loss do for a step."""
    if drop_prob == 0.0 or not training:
        return x
    return _Guarded.apply(x, drop_prob)  # type: ignore[no-any-return, no-untyped-call]


def evaluation_looks_for_nan(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Give zeros for a batch that holds NaN in evaluation, so that a server answers something to everybody in it."""
    if not training:
        return torch.zeros_like(x) if bool(torch.isnan(x).any()) else x  # fault
    return x if drop_prob == 0.0 else _dropped(x, drop_prob)
