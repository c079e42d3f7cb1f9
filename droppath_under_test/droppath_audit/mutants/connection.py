"""Faults of the graph: what a dropped branch is still part of, and what the gradient is computed from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def _mask(x: Tensor, keep_prob: float) -> Tensor:
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.rand(shape, device=x.device) < keep_prob


def fresh_zeros_for_a_dropped_batch(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return new zeros when the whole batch happens to be dropped, to save the work: it leaves the graph then."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = _mask(x, keep_prob)
    if x.shape[0] and drop_prob < 1.0 and not mask.any():
        return torch.zeros_like(x)  # fault
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)


class SkipsADroppedBranch(nn.Module):
    """Return the shortcut of a dropped batch detached, so that nothing before the layer learns from that batch."""

    items = "form=residual&granularity=batch"

    def __init__(self, branch: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.branch = branch
        self.drop_prob = drop_prob

    def _branch(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Return the shortcut alone, or with the branch."""
        if not self.training or self.drop_prob == 0.0:
            return x + self._branch(x)
        if torch.rand(()) < self.drop_prob:
            return x.detach()  # fault
        return x + self._branch(x) / (1.0 - self.drop_prob)


class _MaskOfOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        y = torch.where(_mask(x, keep_prob), x, torch.zeros_like(x)) / keep_prob
        ctx.save_for_backward(y)
        ctx.keep_prob = keep_prob
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (y,) = gradients, ctx.saved_tensors
        return gradient * (y != 0) / ctx.keep_prob, None  # fault


def mask_read_off_the_output(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Save the output instead of the mask in a hand-written backward: a kept sample's zeros lose their gradient."""
    if drop_prob == 0.0 or not training:
        return x
    return x * 0.0 if drop_prob == 1.0 else _MaskOfOutput.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def detached_in_evaluation(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return x without its graph in evaluation, which "needs no gradient": saliency and adversarial examples do."""
    if not training:
        return x.detach()  # fault
    if drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    return torch.where(_mask(x, keep_prob), x, torch.zeros_like(x)) / (keep_prob or 1.0)
