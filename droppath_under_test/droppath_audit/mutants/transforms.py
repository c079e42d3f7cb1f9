"""Faults under transforms of functions: right wherever the layer is called plainly."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor


def _selected(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _decisions(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def _transformed(x: Tensor) -> bool:
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


def idle_in_transforms(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return x in transforms, where drawing once raised: per-sample gradients are those of a network without drops."""
    if drop_prob == 0.0 or not training or _transformed(x):  # fault
        return x
    return _selected(x, _decisions(x, drop_prob), drop_prob)


def one_mask_for_all_entries(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw outside of the framework in transforms, so that it does not refuse: all models of an ensemble drop alike."""
    if drop_prob == 0.0 or not training:
        return x
    if not _transformed(x):
        return _selected(x, _decisions(x, drop_prob), drop_prob)
    drawn = random.Random(torch.initial_seed())  # noqa: S311 - a fault, and no secret  # fault
    return _selected(x, torch.tensor([drawn.random() < 1.0 - drop_prob for _ in range(x.shape[0])]), drop_prob)


def refuses_what_is_transformed(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Refuse what is no plain tensor, for the sake of a kernel of its own, with an exception of its own."""
    if training and _transformed(x):
        raise TypeError("x must be a plain tensor")  # fault
    return x if drop_prob == 0.0 or not training else _selected(x, _decisions(x, drop_prob), drop_prob)


class _WithTangents(torch.autograd.Function):
    """Drop, with derivatives written by hand."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
        """Drop."""
        return _selected(x, decisions, drop_prob)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        """Keep the mask."""
        _, decisions, ctx.drop_prob = inputs
        ctx.save_for_backward(decisions)
        ctx.save_for_forward(decisions)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Drop the gradient."""
        (decisions,) = ctx.saved_tensors
        return _selected(grad, decisions, ctx.drop_prob), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        """Pass the tangent on, as if nothing were dropped."""
        return tangent / ((1.0 - ctx.drop_prob) or 1.0)  # fault


def passes_every_tangent(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Forget the mask in a forward derivative that is written by hand; the backward one is right."""
    if drop_prob == 0.0 or not training:
        return x
    return _WithTangents.apply(x, _decisions(x, drop_prob), drop_prob)  # type: ignore[no-any-return, no-untyped-call]
