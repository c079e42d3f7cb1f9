"""Faults of the second backward pass: gradients that have left the graph, or that depend on x."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape, dtype=torch.float64, device=x.device) < keep_prob


class _Masked(torch.autograd.Function):
    """A forward pass that is right; each mutant has a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        mask = _mask(x, keep_prob)
        y = torch.where(mask, x, torch.zeros_like(x)) / keep_prob
        ctx.save_for_backward(x, y, mask)
        ctx.keep_prob = keep_prob
        return y


class _Once(_Masked):
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (_, _, mask) = gradients, ctx.saved_tensors
        return torch.where(mask, gradient, torch.zeros_like(gradient)) / ctx.keep_prob, None  # fault


class _Detached(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (_, _, mask) = gradients, ctx.saved_tensors
        with torch.no_grad():
            return torch.where(mask, gradient, torch.zeros_like(gradient)) / ctx.keep_prob, None  # fault


class _Ratio(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (x, y, mask) = gradients, ctx.saved_tensors
        safe = torch.where(mask, x, torch.ones_like(x))
        ratio = torch.where(mask, y.detach() / safe, torch.zeros_like(x))
        # Rounded to what it must be, so that the first derivative is right.
        exact = (mask.to(x.dtype) / ctx.keep_prob - ratio).detach()
        return gradient * (ratio + exact), None  # fault


class _InNumpy(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (_, _, mask) = gradients, ctx.saved_tensors
        values = gradient.detach().to(torch.float64).cpu().numpy()
        scaled = np.where(mask.cpu().numpy(), values, 0.0) / ctx.keep_prob
        return torch.from_numpy(scaled).to(gradient), None  # fault


class _Twice(_Masked):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (_, _, mask) = gradients, ctx.saved_tensors
        return _Scaled.apply(gradient, mask, ctx.keep_prob), None  # type: ignore[no-untyped-call]


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
        ctx.keep_prob = keep_prob
        return torch.where(mask, gradient, torch.zeros_like(gradient)) / keep_prob  # fault

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0] / ctx.keep_prob, None, None


def differentiable_once(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Mark the backward pass once_differentiable, as extensions are told to: a gradient penalty raises."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _Once.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def gradient_outside_the_graph(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compute the gradient under no_grad to save memory: a gradient penalty has no effect, or raises."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _Detached.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def gradient_from_a_ratio(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Recover mask and factor as output over input: the quotient depends on x, and so does the gradient."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _Ratio.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def backward_in_numpy(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compute the gradient in NumPy, as ports of other code do: it is a constant from then on."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _InNumpy.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def mask_forgotten_the_second_time(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Forget the mask in the backward pass of the backward pass, which nobody had ever run."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _Twice.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]
