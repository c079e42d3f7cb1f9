"""Faults in what decides between training and evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _dropped(x: Tensor, drop_prob: float) -> Tensor:
    """Apply DropPath correctly in training, so that a mutant has one fault only."""
    if drop_prob == 0.0:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class ModeOfConstruction(nn.Module):
    """Take the mode from a constructor argument, which model.eval() does not reach: Jittor's DropPath."""

    items = "training=init:is_train"

    def __init__(self, drop_prob: float, is_train: bool) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.is_train = is_train

    def forward(self, x: Tensor) -> Tensor:
        """Drop where the constructor was told so."""
        return _dropped(x, self.drop_prob) if self.is_train else x  # fault


class ModeOfFirstCall(nn.Module):
    """Choose the implementation at the first call and keep it, as layers that specialise themselves lazily do."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.active: bool | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop where the first call was one of training."""
        if self.active is None:
            self.active = self.training
        return _dropped(x, self.drop_prob) if self.active else x  # fault


class ModeOfOwnSwitch(nn.Module):
    """Override eval() and not train(): a parent's eval() calls train(False) on its children, which still drop."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.active = True

    def eval(self) -> ModeOfOwnSwitch:
        """Stop dropping."""
        self.active = False
        return super().eval()

    def train(self, mode: bool = True) -> ModeOfOwnSwitch:
        """Drop again."""
        self.active = self.active or mode
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Drop unless eval() was called on this very layer."""
        return _dropped(x, self.drop_prob) if self.active else x  # fault


def mode_of_gradients(x: Tensor, drop_prob: float, training: bool) -> Tensor:  # noqa: ARG001
    """Take "gradients are on" for "training": Monte Carlo evaluation stops dropping, attribution maps start to."""
    return _dropped(x, drop_prob) if torch.is_grad_enabled() else x  # fault


def mode_of_autocast(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Skip the mask under autocast, where a dtype assertion once failed and was silenced that way."""
    return _dropped(x, drop_prob) if training and not torch.is_autocast_enabled(x.device.type) else x  # fault
