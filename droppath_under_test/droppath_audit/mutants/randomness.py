"""Faults of randomness: where the random numbers come from, and when they are drawn."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def draws_from_numpy(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw with NumPy's global generator, which torch's seed does not reach and every data-loader worker shares."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = np.random.random(x.shape[0])  # fault
    return _apply(x, torch.from_numpy(uniform < 1.0 - drop_prob), drop_prob)


def draws_from_python(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw with Python's generator, sample by sample: under checkpointing half of the masks change."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = torch.tensor([random.random() < 1.0 - drop_prob for _ in range(x.shape[0])], dtype=torch.bool)  # noqa: S311  # fault
    return _apply(x, decisions, drop_prob)


class generator_of_its_own(nn.Module):  # noqa: N801 - named like the other mutants
    """Draw from a generator of its own with a constant seed: all layers drop the same samples in every run."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._generator = torch.Generator().manual_seed(42)  # fault

    def forward(self, x: Tensor) -> Tensor:
        """Apply a mask of the private generator."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        uniform = torch.rand(x.shape[0], dtype=torch.float64, generator=self._generator)
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)


def reseeds_every_call(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Call manual_seed in forward "for reproducibility": the mask never changes, nor does anything else again."""
    if drop_prob == 0.0 or not training:
        return x
    torch.manual_seed(1234)  # fault
    return _apply(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob, drop_prob)


def draws_for_nothing(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw the mask before asking whether it is needed: EfficientNet's drop_connect at drop_prob = 0."""
    decisions = torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob  # fault
    return _apply(x, decisions, drop_prob) if training and drop_prob > 0.0 else x
