"""Faults of position: samples that are treated apart for where they stand in the batch."""

from __future__ import annotations

import torch
from torch import Tensor


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _decide(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def first_is_always_kept(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep the first sample so that the branch always has a gradient: the hang of data-parallel training, avoided."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    decisions[:1] = True  # fault
    return _apply(x, decisions, drop_prob)


def last_is_never_dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for all but the last sample: a loop over range(B - 1)."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    decisions[-1:] = True  # fault
    return _apply(x, decisions, drop_prob)


def ignores_its_first_number(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Always drop the first sample: a device generator whose first number after each launch is 0, compared with p."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
    uniform[:1] = 0.0  # fault
    return _apply(x, uniform >= drop_prob, drop_prob)


def every_eighth_dropped_less(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Use a vectorised generator whose eighth lane is not uniform: keep_prob 0.743 there, where 0.7 is asked for."""
    if drop_prob == 0.0 or not training:
        return x
    uniform = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
    uniform[7::8] **= 1.2  # fault
    return _apply(x, uniform < 1.0 - drop_prob, drop_prob)


def tail_of_a_buffer(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw into a buffer of 64 000 numbers and keep what lies beyond: larger batches were not thought of."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _decide(x, drop_prob)
    decisions[64_000:] = True  # fault
    return _apply(x, decisions, drop_prob)
