"""Faults with subclasses of tensors, which lose what they carry."""

from __future__ import annotations

import torch
from torch import Tensor


def _dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply DropPath correctly, so that a mutant has one fault only."""
    if drop_prob == 0.0 or not training:
        return x
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def returns_a_plain_tensor(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a plain view of x to be fast in training: names, boxes and shards that a subclass carries are gone."""
    return _dropped(x.as_subclass(Tensor) if training and drop_prob > 0.0 else x, drop_prob, training)  # fault


def plain_in_evaluation(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return a plain alias in evaluation, so that nobody changes x: the class is lost where nothing is dropped."""
    return _dropped(x, drop_prob, training) if training else x.as_subclass(Tensor)  # fault


def refuses_subclasses(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare the type of x exactly, where isinstance was meant."""
    if type(x) not in (Tensor, torch.nn.Parameter):
        raise TypeError(f"x must be a tensor; got {type(x).__name__}")  # fault
    return _dropped(x, drop_prob, training)
