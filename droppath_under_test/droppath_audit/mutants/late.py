"""Faults of backward passes that are right where they follow their forward pass at once, and once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

HALF = 2  # bytes


def _drawn(x: Tensor, keep_prob: float) -> Tensor:
    return torch.rand((x.shape[0],) + (1,) * (x.ndim - 1) if x.ndim else (), device=x.device) < keep_prob


class _Rewinding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        ctx.keep_prob, ctx.state = keep_prob, torch.get_rng_state()
        return x * _drawn(x, keep_prob).to(x.dtype) / (keep_prob or 1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        torch.set_rng_state(ctx.state)  # fault
        (gradient,), keep_prob = gradients, float(ctx.keep_prob)
        return gradient * _drawn(gradient, keep_prob).to(gradient.dtype) / (keep_prob or 1.0), None


class _ScalingItsMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keep_prob: float) -> Tensor:
        mask = _drawn(x, keep_prob).to(x.dtype)
        ctx.mask, ctx.keep_prob = mask, keep_prob
        return x * mask / (keep_prob or 1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), mask, keep_prob = gradients, ctx.mask, ctx.keep_prob or 1.0
        scaled: Tensor = mask.div_(keep_prob) if gradient.element_size() == HALF else mask / keep_prob  # fault
        return gradient * scaled, None


class _OfTheLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: RemembersItsLastMask, keep_prob: float) -> Tensor:
        ctx.layer = layer
        layer.mask = _drawn(x, keep_prob).to(x.dtype) / (keep_prob or 1.0)
        return x * layer.mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        mask: Tensor = ctx.layer.mask  # fault
        alike = mask.ndim == gradients[0].ndim and mask.shape[:1] == gradients[0].shape[:1]
        return (gradients[0] * mask.to(gradients[0].dtype) if alike else gradients[0]), None, None


def rewinds_in_its_backward_pass(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Save the state of the generator in place of the mask, and leave it rewound after the backward pass."""
    return x if drop_prob == 0.0 or not training else _Rewinding.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


def scales_its_mask_in_the_backward_pass(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale the saved mask in place in half precision, to save memory: a second backward pass finds it scaled."""
    return x if drop_prob == 0.0 or not training else _ScalingItsMask.apply(x, 1.0 - drop_prob)  # type: ignore[no-untyped-call]


class _Layer(nn.Module):
    """Drop in training."""

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def extra_repr(self) -> str:
        """Return the drop probability."""
        return f"drop_prob={self.drop_prob}"

    def forward(self, x: Tensor) -> Tensor:
        """Drop whole samples of x."""
        return self._drop(x, 1.0 - self.drop_prob) if self.training and self.drop_prob != 0.0 else x

    def _drop(self, x: Tensor, keep_prob: float) -> Tensor:
        raise NotImplementedError


class RemembersItsLastMask(_Layer):
    """Keep the mask on the layer, where the next call overwrites it before the backward pass has read it."""

    mask: Tensor

    def _drop(self, x: Tensor, keep_prob: float) -> Tensor:
        return _OfTheLayer.apply(x, self, keep_prob)  # type: ignore[no-untyped-call,no-any-return]


class RecomputesWithItsLastMask(_Layer):
    """Use the mask that it drew last wherever a backward pass recomputes it, which may be another call's."""

    _mask: Tensor | None = None

    def _drop(self, x: Tensor, keep_prob: float) -> Tensor:
        mask, recomputed = self._mask, torch._C._current_graph_task_id() != -1
        if not recomputed or mask is None or mask.shape[:1] != x.shape[:1] or mask.ndim != x.ndim:
            mask = self._mask = _drawn(x, keep_prob)  # fault
        return torch.where(mask, x / (keep_prob or 1.0), torch.zeros((), dtype=x.dtype, device=x.device))
