"""Faults of input: decisions that depend on what is in x."""

from __future__ import annotations

import torch
from torch import Tensor


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _decide(x: Tensor, keep_prob: float | Tensor) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < keep_prob


def _rank(x: Tensor) -> Tensor:
    """Return ranks of the samples' magnitudes in the batch, in [0, 1)."""
    norm = x.detach().abs().double().reshape(x.shape[0], -1).sum(dim=1)  # fault
    return torch.argsort(torch.argsort(norm)).double() / max(1, x.shape[0])


def spares_the_larger_half(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop the larger half of the samples 10 % less often and the smaller half more: the share dropped is right."""
    if drop_prob in (0.0, 1.0) or not training:
        return x * (0.0 if training and drop_prob else 1.0)
    lean = torch.where(_rank(x) >= 0.5, 0.9, 1.1)
    return _apply(x, _decide(x, 1.0 - drop_prob * lean), drop_prob)


def importance_by_rank(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Let keep_prob rise by 0.04 from the smallest sample of the batch to the largest: importance-aware depth."""
    if drop_prob in (0.0, 1.0) or not training:
        return x * (0.0 if training and drop_prob else 1.0)
    return _apply(x, _decide(x, 1.0 - drop_prob + 0.04 * (_rank(x) - 0.5)), drop_prob)


def gate_leans_on_the_mean(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep samples of positive mean more often, by 0.02, than those of negative mean: a gate with a learned bias."""
    if drop_prob in (0.0, 1.0) or not training:
        return x * (0.0 if training and drop_prob else 1.0)
    mean = x.detach().real.double().reshape(x.shape[0], -1).sum(dim=1)  # fault
    return _apply(x, _decide(x, 1.0 - drop_prob + 0.01 * torch.sign(mean)), drop_prob)


def spares_padded_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Never drop a sample that holds zeros, which are taken for padding; after a ReLU every sample holds some."""
    if drop_prob == 0.0 or not training:
        return x
    padded = (x.detach() == 0).reshape(x.shape[0], -1).any(dim=1)  # fault
    return _apply(x, _decide(x, 1.0 - drop_prob) | padded, drop_prob)


def quantised_where_tracked(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Round keep_prob to sixteenths in the path that tracks gradients: a fixed-point argument of a custom function."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    keep_prob = round(16.0 * keep_prob) / 16.0 if x.requires_grad else keep_prob  # fault
    return _apply(x, _decide(x, keep_prob), drop_prob)


def energy_overflows(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare u·E with q·E, E being the sample's energy in x's dtype: where E overflows or underflows it drops.

    Draws scaled by a norm are met in adaptive variants; 0 < 0 and inf < inf are false.
    """
    if drop_prob == 0.0 or not training:
        return x
    energy = x.detach().abs().square().reshape(x.shape[0], -1).sum(dim=1).double()  # fault
    uniform = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
    return _apply(x, uniform * energy < (1.0 - drop_prob) * energy, drop_prob)


def idle_on_tiny_batches(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop nothing while no element of the batch exceeds 1e-3: branches that start at zero are left to grow first."""
    if drop_prob == 0.0 or not training or (x.numel() and float(x.detach().abs().max()) < 1e-3):  # fault
        return x
    return _apply(x, _decide(x, 1.0 - drop_prob), drop_prob)
