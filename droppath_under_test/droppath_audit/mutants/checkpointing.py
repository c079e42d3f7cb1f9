"""Faults under activation checkpointing: masks that depend on more than the framework's generator."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class DrawsOneCallAhead(nn.Module):
    """Draw the numbers of the next call during this one, to hide the latency: the recomputation uses the next ones."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._next: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the numbers that are waiting, and draw others."""
        if not self.training or self.drop_prob == 0.0:
            return x
        waiting = self._next
        if waiting is None or len(waiting) != x.shape[0]:
            waiting = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
        self._next = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)  # fault
        return _apply(x, waiting < 1.0 - self.drop_prob, self.drop_prob)


class DropsInTurns(nn.Module):
    """Rotate the decisions by the number of calls so far, "for variety": a recomputation counts as a call."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop the samples whose turn it is."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self._calls += 1
        decisions = torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob
        return _apply(x, decisions.roll(self._calls), self.drop_prob)  # fault


def seeds_from_the_clock(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Seed a generator from the clock in every call, "to be really random": no restored state brings a mask back."""
    if drop_prob == 0.0 or not training:
        return x
    generator = torch.Generator().manual_seed(time.perf_counter_ns())  # fault
    return _apply(x, torch.rand(x.shape[0], dtype=torch.float64, generator=generator) < 1.0 - drop_prob, drop_prob)
