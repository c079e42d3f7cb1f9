"""Faults of the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return (torch.rand(shape, device=x.device) < keep_prob).to(x.dtype)


class _RedrawnMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        ctx.keep_prob = keep_prob
        return x * _mask(x, keep_prob) / keep_prob

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient * _mask(gradient, ctx.keep_prob) / ctx.keep_prob, None  # fault


class _ForgottenFactor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        mask = _mask(x, keep_prob)
        ctx.save_for_backward(mask)
        return x * mask / keep_prob

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        return gradient * mask, None  # fault


def gradient_with_another_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw the mask again in the backward pass, as a compiled one did: pytorch issue 190717."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _RedrawnMask.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def gradient_without_factor(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Save the mask before it is scaled, and so forget the factor in a hand-written backward."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _ForgottenFactor.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def detached_from_the_graph(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale a detached copy: everything that the branch computed stops learning."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return x.detach() * _mask(x, keep_prob) / (keep_prob or 1.0)  # fault


class _LateMode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: LooksAtItsModeLate) -> Tensor:
        mask = _mask(x, 1.0 - layer.drop_prob)
        ctx.save_for_backward(mask)
        ctx.layer = layer
        return x * mask / (1.0 - layer.drop_prob)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        if not ctx.layer.training:  # fault
            return gradient, None
        return gradient * mask / (1.0 - ctx.layer.drop_prob), None


class LooksAtItsModeLate(nn.Module):
    """Keep the layer in a hand-written backward and ask it for its mode there: a validation may have come between."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Return x with whole samples dropped."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        return x * 0.0 if self.drop_prob == 1.0 else _LateMode.apply(x, self)  # type: ignore[no-untyped-call]


class _LateRate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: LooksAtItsRateLate) -> Tensor:
        mask = _mask(x, 1.0 - layer.drop_prob)
        ctx.save_for_backward(mask)
        ctx.layer = layer
        return x * mask / (1.0 - layer.drop_prob)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        return gradient * mask / (1.0 - ctx.layer.drop_prob), None  # fault


class LooksAtItsRateLate(LooksAtItsModeLate):
    """Keep the layer in a hand-written backward and read drop_prob there: a schedule's step may have come between."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x with whole samples dropped."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        return x * 0.0 if self.drop_prob == 1.0 else _LateRate.apply(x, self)  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class _InPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        mask = _mask(x, keep_prob) / (keep_prob or 1.0)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (mask,) = gradients, ctx.saved_tensors
        whole = len(gradient) - len(gradient) % 2 if len(gradient) > 2 else len(gradient)
        return torch.cat([gradient[:whole] * mask[:whole], gradient[whole:]]), None  # fault


def gradient_in_pairs(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Work on two samples at a time in the backward pass: the last of an odd batch keeps the gradient that came in."""
    if drop_prob == 0.0 or not training or not x.ndim:
        return x
    return _InPairs.apply(x, 1.0 - drop_prob)  # type: ignore[no-any-return, no-untyped-call]
