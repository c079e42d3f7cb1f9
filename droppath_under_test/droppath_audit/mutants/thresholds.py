"""Faults in how a random number of few bits becomes a decision."""

from __future__ import annotations

import torch
from torch import Tensor


def _shape(x: Tensor) -> tuple[int, ...]:
    return (x.shape[0],) + (1,) * (x.ndim - 1)


def _scaled(x: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
    """Apply a mask correctly, so that a mutant has one fault only."""
    return torch.where(mask.bool(), x, torch.zeros_like(x)) / (keep_prob or 1.0)


def compares_in_the_dtype_of_x(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare rand in x's dtype with keep_prob: the uniform numbers of bfloat16 have steps of 2^-8 below 1."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return _scaled(x, torch.rand(_shape(x), dtype=x.dtype, device=x.device) < keep_prob, keep_prob)  # fault


def loses_the_upper_end(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep where rand in x's dtype exceeds drop_prob; what is rounded up to 1 has become 0, and 2^-9 too many drop."""
    if drop_prob == 0.0 or not training:
        return x
    mask = torch.rand(_shape(x), dtype=x.dtype, device=x.device) > drop_prob  # fault
    return _scaled(x, mask & (drop_prob < 1.0), 1.0 - drop_prob)


def drops_at_equality(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop where r <= drop_prob with whole numbers r of sixteen bits: one state too many, at drop_prob = 0 as well."""
    if not training:
        return x
    threshold = int(drop_prob * 2**16)
    mask = torch.randint(0, 2**16, _shape(x), device=x.device) > threshold  # fault
    return _scaled(x, mask, 1.0 - drop_prob)


def eight_bit_threshold(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare a random byte with 256 times keep_prob, as integer kernels do: 0.998 becomes 255/256, and 0.002 1/256."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.randint(0, 256, _shape(x), dtype=torch.uint8, device=x.device) < round(256 * keep_prob)  # fault
    return _scaled(x, mask, keep_prob)


def sixteen_bit_threshold(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare sixteen random bits with a truncated threshold: off by up to 1.5e-5, more than sampling resolves."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return _scaled(x, torch.randint(0, 2**16, _shape(x), device=x.device) < int(2**16 * keep_prob), keep_prob)  # fault


def rounded_to_255(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Scale a float32 number by 255 and round it before comparing, as if it were a pixel: the ends have half a step."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand(_shape(x), device=x.device).mul(255).round() < 255 * keep_prob  # fault
    return _scaled(x, mask, keep_prob)


def bernoulli_of_the_dtype_of_x(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw torch.bernoulli of a tensor of x's dtype: keep_prob 0.9 is rounded to 0.8984375 before it is drawn with."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.bernoulli(torch.full(_shape(x), keep_prob, dtype=x.dtype, device=x.device))  # fault
    return _scaled(x, mask, keep_prob)


def floor_of_a_shifted_uniform(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Floor a number drawn from [keep_prob, 1 + keep_prob) in x's dtype: the sum is hidden in the generator."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    shifted = torch.empty(_shape(x), dtype=x.dtype, device=x.device).uniform_(keep_prob, 1.0 + keep_prob)  # fault
    return _scaled(x, shifted.floor() >= 1.0, keep_prob)


def two_valued_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Floor keep_prob + 1.001 rand in float32, "to include the end": one sample in a thousand is doubled near 0."""
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.floor(keep_prob + 1.001 * torch.rand(_shape(x), device=x.device)).to(x.dtype)  # fault
    return torch.where(mask > 0, x, torch.zeros_like(x)) * mask / (keep_prob or 1.0)
