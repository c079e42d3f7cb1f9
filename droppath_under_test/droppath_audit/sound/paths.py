"""Layers with paths: another rule for some calls, and every one of them right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

CHUNK = 2**12  # samples that are decided at a time


def _selected(x: Tensor, mask: Tensor, drop_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.where(mask.view(shape), x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _draw(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], device=x.device) < 1.0 - drop_prob


def another_rule_for_maps(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw Bernoulli numbers for feature maps, and compare uniform ones for all else."""
    if drop_prob == 0.0 or not training:
        return x
    if x.ndim == 4:
        mask = torch.empty(x.shape[0], device=x.device).bernoulli_(1.0 - drop_prob).bool()
        return _selected(x, mask, drop_prob)
    return _selected(x, _draw(x, drop_prob), drop_prob)


def decides_in_chunks(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide 4096 samples at a time, each from a number of its own."""
    if drop_prob == 0.0 or not training:
        return x
    masks = [_draw(part, drop_prob) for part in torch.split(x, CHUNK)] if x.shape[0] else [_draw(x, drop_prob)]
    return _selected(x, torch.cat(masks), drop_prob)


class _OwnBackward(torch.autograd.Function):
    """A custom function that keeps its mask, not x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop_prob: float) -> Tensor:
        """Drop."""
        mask = _draw(x, drop_prob)
        ctx.save_for_backward(mask)
        ctx.drop_prob = drop_prob
        return _selected(x, mask, drop_prob)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Drop the gradient with the same mask."""
        (mask,) = ctx.saved_tensors
        return _selected(grad, mask, ctx.drop_prob), None


def custom_function_where_tracked(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a custom autograd function where x is tracked, to save memory."""
    if drop_prob == 0.0 or not training:
        return x
    if x.requires_grad:
        return _OwnBackward.apply(x, drop_prob)  # type: ignore[no-any-return, no-untyped-call]
    return _selected(x, _draw(x, drop_prob), drop_prob)


def contiguous_first(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Copy what is not contiguous before a product in place."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _draw(x, drop_prob)
    if x.is_contiguous():
        return _selected(x, mask, drop_prob)
    return _selected(x.contiguous(), mask, drop_prob)


def complex_as_pairs(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply one decision to both parts of a complex number, part by part."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _draw(x, drop_prob)
    if not x.is_complex():
        return _selected(x, mask, drop_prob)
    return torch.complex(_selected(x.real, mask, drop_prob), _selected(x.imag, mask, drop_prob))


def more_numbers_than_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw numbers for the next power of two and use the first of them, for the sake of a fixed kernel."""
    if drop_prob == 0.0 or not training:
        return x
    drawn = torch.rand(1 << max(0, x.shape[0] - 1).bit_length(), device=x.device)
    return _selected(x, drawn[: x.shape[0]] < 1.0 - drop_prob, drop_prob)


def double_precision_for_small_rates(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare double-precision numbers below a rate of 0.001, where single precision is coarse."""
    if drop_prob == 0.0 or not training:
        return x
    dtype = torch.float64 if drop_prob < 1e-3 else torch.float32
    return _selected(x, torch.rand(x.shape[0], dtype=dtype, device=x.device) >= drop_prob, drop_prob)


def counts_down_from_the_end(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Let the last number decide the first sample, as a loop from the end does."""
    if drop_prob == 0.0 or not training:
        return x
    return _selected(x, _draw(x, drop_prob).flip(0), drop_prob)


def shuffles_its_decisions(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide, and then shuffle the decisions: wasteful, and the same law."""
    if drop_prob == 0.0 or not training:
        return x
    return _selected(x, _draw(x, drop_prob)[torch.randperm(x.shape[0], device=x.device)], drop_prob)


def survives_two_coins(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop a sample where either of two coins says so, whose rates make drop_prob together."""
    if drop_prob == 0.0 or not training:
        return x
    each = (1.0 - drop_prob) ** 0.5
    coins = torch.rand(2, x.shape[0], dtype=torch.float64, device=x.device) < each
    return _selected(x, coins.all(dim=0), drop_prob)


def one_by_one_in_small_batches(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw a number for each of a few samples in a loop, and all at once for more."""
    if drop_prob == 0.0 or not training:
        return x
    if x.shape[0] > 16:
        return _selected(x, _draw(x, drop_prob), drop_prob)
    drawn = [torch.rand((), device=x.device) < 1.0 - drop_prob for _ in range(x.shape[0])]
    decisions = torch.stack(drawn) if drawn else torch.empty(0, dtype=torch.bool, device=x.device)
    return _selected(x, decisions, drop_prob)


class SeparatePathForEvaluation(nn.Module):
    """Copy x in evaluation instead of returning it, so that nobody writes into the caller's tensor."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x.clone()
        return _selected(x, _draw(x, self.drop_prob), self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"
