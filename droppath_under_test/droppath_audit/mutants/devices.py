"""Faults on another device than the CPU: right, or at least unnoticed, where there is no other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def _selected(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _decisions(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def draws_on_the_cpu(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw on the CPU and copy the mask by .to(x), which hides that: the device's seed decides nothing; tutorials."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = torch.rand(x.shape[0], dtype=torch.float64) < 1.0 - drop_prob  # fault
    return x * decisions.to(x).view((x.shape[0],) + (1,) * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def decides_in_numpy(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Let NumPy draw, seeded by torch, and copy the mask: every call waits for the copy."""
    if drop_prob == 0.0 or not training:
        return x
    generator = np.random.default_rng(int(torch.randint(2**62, ())))
    decisions = torch.from_numpy(generator.random(x.shape[0]) < 1.0 - drop_prob).to(x.device)  # fault
    return _selected(x, decisions, drop_prob)


def meets_a_mask_of_the_cpu(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Forget the device of the mask: raises for everybody who has another one than the author."""
    if drop_prob == 0.0 or not training:
        return x
    return _selected(x, torch.rand(x.shape[0], dtype=torch.float64) < 1.0 - drop_prob, drop_prob)  # fault


def widened_on_accelerators(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compute in float32 where it is cheap, on accelerators, and forget to come back to the dtype of x."""
    if drop_prob == 0.0 or not training:
        return x
    wide = x if x.is_cpu else x.float()  # fault
    return _selected(wide, _decisions(x, drop_prob), drop_prob)


def asks_whether_any_is_dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return x where all are kept, to save a multiplication: it waits for the device in every call."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decisions(x, drop_prob)
    if drop_prob < 1.0 and bool(decisions.all()):  # fault
        return x / (1.0 - drop_prob)
    return _selected(x, decisions, drop_prob)


def names_the_type_of_the_device(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Make the mask on the current device of x's type: it raises where a model is on several."""
    if drop_prob == 0.0 or not training:
        return x
    numbers = torch.rand(x.shape[0], dtype=torch.float64, device=x.device.type)  # fault
    return _selected(x, numbers < 1.0 - drop_prob, drop_prob)


class FillsABufferOfTheCPU(nn.Module):
    """Draw into a buffer that no .to() moves, for it is no registered one, and copy what is needed of it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._numbers = torch.empty(0, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        if len(self._numbers) < x.shape[0]:
            self._numbers = torch.empty(x.shape[0], dtype=torch.float64)
        numbers = self._numbers[: x.shape[0]].uniform_()  # fault
        return _selected(x, numbers.to(x.device) < 1.0 - self.drop_prob, self.drop_prob)
