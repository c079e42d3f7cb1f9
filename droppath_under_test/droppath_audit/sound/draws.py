"""Ways to draw one decision a sample, all within 2^-23 of keep_prob."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def _shape(x: Tensor) -> tuple[int, ...]:
    return (x.shape[0],) + (1,) * (x.ndim - 1)


def _selected(x: Tensor, mask: Tensor, keep_prob: float) -> Tensor:
    return torch.where(mask.to(x.device), x, torch.zeros_like(x)) / (keep_prob or 1.0)


def bernoulli_then_divide(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Fill a tensor of x's dtype by bernoulli_ and divide it, not x, by keep_prob: timm and what follows it."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = x.new_empty(_shape(x)).bernoulli_(keep_prob)
    if keep_prob > 0.0:
        mask.div_(keep_prob)
    return x * mask


def noise_times_input(x: Tensor, p: float, mode: str = "row", training: bool = True) -> Tensor:
    """Multiply by noise of a size that the mode gives, row by row: torchvision's stochastic_depth."""
    if not training or p == 0.0:
        return x
    survival_rate = 1.0 - p
    size = [x.shape[0] if mode == "row" else 1, *[1] * (x.ndim - 1)]
    noise = torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(survival_rate)
    return x * (noise.div_(survival_rate) if survival_rate > 0.0 else noise)


def dropout_on_ones(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply plain dropout to ones of shape (B, 1, …) and multiply: the shortest form, common in research code."""
    if drop_prob == 0.0 or not training:
        return x
    return x * functional.dropout(torch.ones(_shape(x), dtype=x.dtype, device=x.device), drop_prob, training=True)


def float32_draw_then_cast(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare float32 numbers with keep_prob and cast the mask: mixed-precision code that knows of bfloat16's grid."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = (torch.rand(_shape(x), dtype=torch.float32, device=x.device) < keep_prob).to(x.dtype)
    return x / (keep_prob or 1.0) * mask


def float64_uniform(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare double-precision numbers with drop_prob from the other side, u ≥ p: NumPy's habit, in torch."""
    if drop_prob == 0.0 or not training:
        return x
    mask = torch.rand(_shape(x), dtype=torch.float64, device=x.device) >= drop_prob
    return _selected(x, mask, 1.0 - drop_prob)


def multiplies_at_every_probability(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply by mask and scale at drop_prob = 0 as well: of complex numbers that loses the sign of a zero."""
    if not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand(_shape(x), device=x.device) < keep_prob
    return torch.where(mask, x * (1.0 / (keep_prob or 1.0)), torch.zeros_like(x))


def bernoulli_of_a_tensor(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw torch.bernoulli of a float32 tensor of probabilities, as layers with a rate for every sample do."""
    if drop_prob == 0.0 or not training:
        return x
    rates = torch.full(_shape(x), 1.0 - drop_prob, dtype=torch.float32, device=x.device)
    return _selected(x, torch.bernoulli(rates).bool(), 1.0 - drop_prob)


def threshold_of_24_bits(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare integers of 24 bits with a rounded threshold: fixed-point kernels and hardware generators."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.randint(2**24, _shape(x), device=x.device) < round(keep_prob * 2**24)
    return _selected(x, mask, keep_prob)


def threshold_of_53_bits(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare integers of 53 bits with a rounded threshold: what a double-precision uniform number is inside."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.randint(2**53, _shape(x), device=x.device) < round(keep_prob * 2**53)
    return _selected(x, mask, keep_prob)


def seed_drawn_for_every_call(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw a seed from the framework's generator and the mask from it: kernels that recompute masks in backward."""
    if drop_prob == 0.0 or not training:
        return x
    generator = torch.Generator().manual_seed(int(torch.randint(2**62, ()).item()))
    mask = torch.rand(_shape(x), dtype=torch.float64, generator=generator) < 1.0 - drop_prob
    return _selected(x, mask, 1.0 - drop_prob)
