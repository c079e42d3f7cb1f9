"""Faults of dependence: decisions that share a draw, within a batch or between calls."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def fixed_count(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep a random subset of fixed size, as DINOv2 does: every marginal is right, the count never varies.

    The fraction that the size cannot express is drawn, so that the keep probability is exact for every batch.
    """
    if drop_prob == 0.0 or not training:
        return x
    exact = x.shape[0] * (1.0 - drop_prob)
    size = int(exact) + int(torch.rand(()) < exact - int(exact))
    decisions = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    decisions[torch.randperm(x.shape[0], device=x.device)[:size]] = True  # fault
    return _apply(x, decisions, drop_prob)


def pairs_of_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Give two neighbours one draw: a mask repeated for the two views of a contrastive batch."""
    if drop_prob == 0.0 or not training:
        return x
    draws = torch.rand((x.shape[0] + 1) // 2, dtype=torch.float64, device=x.device) < 1.0 - drop_prob  # fault
    return _apply(x, draws.repeat_interleave(2)[: x.shape[0]], drop_prob)


def antithetic_halves(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Use u for the first half of the batch and 1 - u for the second: less variance, and no longer independent."""
    if drop_prob == 0.0 or not training:
        return x
    half = torch.rand((x.shape[0] + 1) // 2, dtype=torch.float64, device=x.device)  # fault
    uniform = torch.cat([half, 1.0 - half])[: x.shape[0]]
    return _apply(x, uniform < 1.0 - drop_prob, drop_prob)


def mirrored_batch(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Mirror the draws of the first half into the second, as a batch with flipped copies invites."""
    if drop_prob == 0.0 or not training:
        return x
    half = torch.rand((x.shape[0] + 1) // 2, dtype=torch.float64, device=x.device)  # fault
    uniform = torch.cat([half, half[: x.shape[0] // 2].flip(0)])
    return _apply(x, uniform < 1.0 - drop_prob, drop_prob)


def period_of_a_thousand(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw a thousand decisions and tile them over larger batches: a buffer that was sized for ordinary ones."""
    if drop_prob == 0.0 or not training:
        return x
    draws = torch.rand(1000, dtype=torch.float64, device=x.device) < 1.0 - drop_prob  # fault
    return _apply(x, draws.repeat(x.shape[0] // 1000 + 1)[: x.shape[0]], drop_prob)


class frozen_after_first_call(nn.Module):  # noqa: N801 - named like the other mutants
    """Draw a mask for each batch size once and keep it: what tracing, or a cache, makes of a layer."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._decisions: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Apply the mask of the first call."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        if x.shape[0] not in self._decisions:
            drawn = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
            self._decisions[x.shape[0]] = drawn < 1.0 - self.drop_prob  # fault
        return _apply(x, self._decisions[x.shape[0]], self.drop_prob)


class alternates_with_its_complement(nn.Module):  # noqa: N801 - named like the other mutants
    """Use u in one call and 1 - u in the next: antithetic sampling over steps."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply a fresh mask, or the complement of the one before."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        if self._last is not None and len(self._last) == x.shape[0]:
            uniform, self._last = 1.0 - self._last, None  # fault
        else:
            uniform = self._last = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)


def random_scale(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale a kept sample by 0.5/keep_prob or 1.5/keep_prob at random: the mean is right, the variance is not."""
    if drop_prob == 0.0 or not training:
        return x
    halves = torch.randint(2, (x.shape[0],), device=x.device)
    factors = (0.5 + halves).to(x.dtype).view((x.shape[0],) + (1,) * (x.ndim - 1))
    y = _apply(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob, drop_prob)
    return y * factors  # fault


def third_from_two(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw two numbers in three; the third is the fractional part of their sum, as pairwise independent hashing does.

    Every number is uniform and every two are independent; of all three, any two determine the last.
    """
    if drop_prob == 0.0 or not training:
        return x
    first, second = torch.rand((2, x.shape[0] // 3 + 1), dtype=torch.float64, device=x.device)  # fault
    uniform = torch.stack([first, second, (first + second) % 1.0], dim=1).flatten()[: x.shape[0]]
    return _apply(x, uniform < 1.0 - drop_prob, drop_prob)
