"""Faults in the law of the mask: how often it keeps, and what one decision covers."""

from __future__ import annotations

import torch
from torch import Tensor


def _shape(x: Tensor) -> tuple[int, ...]:
    return (x.shape[0],) + (1,) * (x.ndim - 1)


def _scaled(x: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
    """Apply a mask correctly, so that a mutant has one fault only."""
    return torch.where(mask.bool(), x, torch.zeros_like(x)) / (keep_prob or 1.0)


def floor_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Floor keep_prob + rand in x's dtype: 44 classes of transformers, mmcv, Paddle; NaN at keep_prob = 0."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = keep_prob + torch.rand(_shape(x), dtype=x.dtype, device=x.device)  # fault
    return x.div(keep_prob) * mask.floor_()  # fault


def bias_of_two_thousandths(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep with a probability that is too high by 0.002: an integer threshold of eight bits, for instance."""
    if drop_prob in (0.0, 1.0) or not training:
        return x * (1.0 if not training else 1.0 - drop_prob)
    keep_prob = 1.0 - drop_prob
    return _scaled(x, torch.rand(_shape(x), device=x.device) < keep_prob + 0.002, keep_prob)  # fault


def keeps_what_it_should_drop(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take the drop probability for the keep probability, scale included; invisible at 0.5."""
    if not training:
        return x
    return _scaled(x, torch.rand(_shape(x), device=x.device) < drop_prob, drop_prob)  # fault


def per_batch(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide once for the whole batch where samples are declared: NAFNet issue 32."""
    if drop_prob == 0.0 or not training:
        return x
    return _scaled(x, torch.rand((1,) * x.ndim, device=x.device) < 1.0 - drop_prob, 1.0 - drop_prob)  # fault


def per_channel(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for every channel of every sample: Dropout2d in DropPath's place."""
    if drop_prob == 0.0 or not training:
        return x
    shape = x.shape[:2] + (1,) * (x.ndim - 2)
    return _scaled(x, torch.rand(shape, device=x.device) < 1.0 - drop_prob, 1.0 - drop_prob)  # fault


def per_group_of_channels(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for every 32 channels, as grouped convolutions and normalisations do; narrow inputs have one group."""
    if drop_prob == 0.0 or not training:
        return x
    shape = [x.shape[0]] + [1] * (x.ndim - 1)
    if x.ndim > 2 and x.shape[1] >= 64 and x.shape[1] % 32 == 0:
        groups = torch.rand((x.shape[0], x.shape[1] // 32), device=x.device)  # fault
        uniform = groups.repeat_interleave(32, dim=1).view(x.shape[:2] + (1,) * (x.ndim - 2))
    else:
        uniform = torch.rand(shape, device=x.device)
    return _scaled(x, uniform < 1.0 - drop_prob, 1.0 - drop_prob)


def per_token(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide along axis 1, for sequences that are laid out (tokens, batch, …): VideoX issue 85."""
    if drop_prob == 0.0 or not training:
        return x
    shape = (1, *x.shape[1:2]) + (1,) * (x.ndim - 2) if x.ndim > 1 else _shape(x)
    return _scaled(x, torch.rand(shape, device=x.device) < 1.0 - drop_prob, 1.0 - drop_prob)  # fault


def per_element(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for every element: plain dropout under DropPath's name."""
    if drop_prob == 0.0 or not training:
        return x
    return _scaled(x, torch.rand(x.shape, device=x.device) < 1.0 - drop_prob, 1.0 - drop_prob)  # fault


def drops_large_samples(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop the samples of largest magnitude among the batch: the right share, but it depends on x.

    A "smart" variant of the kind that is proposed as importance-aware depth; ties are broken at random.
    """
    if drop_prob == 0.0 or not training:
        return x
    size = x.abs().double().reshape(x.shape[0], -1).sum(dim=1)  # fault
    order = torch.argsort(size + 1e-9 * torch.rand(size.shape, dtype=torch.float64, device=x.device))
    kept = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    number = torch.empty((), dtype=torch.float64)
    mean, deviation = x.shape[0] * (1.0 - drop_prob), (x.shape[0] * drop_prob * (1.0 - drop_prob)) ** 0.5
    count = int(torch.round(number.normal_(mean, deviation)).clamp(0, x.shape[0]).item())
    kept[order[:count]] = True
    return _scaled(x, kept.view(_shape(x)), 1.0 - drop_prob)
