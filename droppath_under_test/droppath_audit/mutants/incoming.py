"""Faults of backward passes that are right for a plain incoming gradient, and for no other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def _scaled_mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1) if x.ndim else ()
    return (torch.rand(shape, device=x.device) < keep_prob).to(x.dtype) / (keep_prob or 1.0)


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        mask = _scaled_mask(x, keep_prob)
        ctx.save_for_backward(mask)
        return x * mask


class _Viewed(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        flat = gradient.view(-1) * mask.expand_as(gradient).reshape(-1)  # fault
        return flat.view(gradient.shape), None


class _WrittenTo(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        return gradient.mul_(mask), None  # fault


class _Repaired(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        return gradient.nan_to_num() * mask, None  # fault


class _RawMemory(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        plain = torch.empty(gradient.shape).stride()
        return gradient.as_strided(gradient.shape, plain) * mask, None  # fault


def backward_views_its_gradient(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Flatten what comes in by ``view`` in a hand-written backward, which a transposed gradient does not take."""
    return x if drop_prob == 0.0 or not training else _Viewed.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def backward_writes_to_its_gradient(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Save memory by multiplying what comes in in place, though the other use of the output gets it, too."""
    return x if drop_prob == 0.0 or not training else _WrittenTo.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def backward_repairs_its_gradient(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Replace infinities and NaN of what comes in, by which loss scaling would have seen an overflow."""
    return x if drop_prob == 0.0 or not training else _Repaired.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def backward_by_raw_memory(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Read what comes in by the strides of a contiguous tensor, as a kernel does that is not told any."""
    return x if drop_prob == 0.0 or not training else _RawMemory.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]
