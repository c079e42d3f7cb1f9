"""Faults of batch size: a keep probability that depends on the number of samples."""

from __future__ import annotations

import torch
from torch import Tensor

MANY = 16  # samples


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _decide(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def subset_of_at_least_one(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep max(int(B q), 1) samples, as DINOv2's drop_add_residual_stochastic_depth does: a batch of 1 never drops."""
    if drop_prob == 0.0 or not training:
        return x
    size = max(int(x.shape[0] * (1.0 - drop_prob)), 1)
    decisions = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    decisions[torch.randperm(x.shape[0], device=x.device)[:size]] = True  # fault
    return _apply(x, decisions, drop_prob)


def redraws_an_empty_batch(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw once more where several samples are all dropped, for the sake of the gradient: 0.395 of 0.3 at B = 2."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    if x.shape[0] > 1 and not decisions.any():
        decisions = _decide(x, drop_prob)  # fault
    return _apply(x, decisions, drop_prob)


def redraws_a_tracked_batch_of_many(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw once more where sixteen samples or more are all dropped and a gradient is wanted, which is rare."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    if x.requires_grad and x.shape[0] >= MANY and not decisions.any():
        decisions = _decide(x, drop_prob)  # fault
    return _apply(x, decisions, drop_prob)


def single_sample_is_never_dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return a batch of one as it is: a shortcut meant for inference that training with one image takes as well."""
    if drop_prob == 0.0 or not training or x.shape[0] == 1:  # fault
        return x
    return _apply(x, _decide(x, drop_prob), drop_prob)


def single_sample_takes_keep_for_drop(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for a batch of one in a branch of its own, where keep and drop are swapped; invisible at 0.5."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = torch.rand(1, device=x.device) < drop_prob if x.shape[0] == 1 else _decide(x, drop_prob)  # fault
    return _apply(x, decisions, drop_prob)


def rounded_share_of_small_batches(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep round(B q) samples of up to 8 "to reduce variance", and decide by chance in larger batches."""
    if drop_prob == 0.0 or not training:
        return x
    if x.shape[0] > 8:
        return _apply(x, _decide(x, drop_prob), drop_prob)
    decisions = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    decisions[torch.randperm(x.shape[0], device=x.device)[: round(x.shape[0] * (1.0 - drop_prob))]] = True  # fault
    return _apply(x, decisions, drop_prob)


def small_batches_drop_less(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale drop_prob by B/8 below 8 samples, as learning rates are scaled with the batch."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob * min(1.0, x.shape[0] / 8)  # fault
    return _apply(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < keep_prob, drop_prob)


def unmasked_remainder(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide in vectors of eight and leave the remainder of the batch alone: a kernel without a scalar tail."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    decisions[x.shape[0] // 8 * 8 :] = True  # fault
    return _apply(x, decisions, drop_prob)
