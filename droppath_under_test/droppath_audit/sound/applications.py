"""Ways to apply decisions to x, and to wrap them into a layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _decisions(x: Tensor, keep_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < keep_prob


def _over(x: Tensor, decisions: Tensor) -> Tensor:
    return decisions.view((x.shape[0],) + (1,) * (x.ndim - 1))


def where_selects(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Divide everything and select by where, so that a dropped NaN is gone: the style of JAX and MLX ports."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return torch.where(_over(x, _decisions(x, keep_prob)), x / (keep_prob or 1.0), torch.zeros_like(x))


def renews_nan(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clear NaN before anything is computed and put it back: what comes out is NaN, and not the same one."""
    lost = torch.isnan(x) & (not x.is_complex())
    if drop_prob == 0.0 or not training:
        return x.masked_fill(lost, float("nan"))
    keep_prob = 1.0 - drop_prob
    kept = (x / (keep_prob or 1.0)).masked_fill(lost, float("nan"))
    return torch.where(_over(x, _decisions(x, keep_prob)), kept, torch.zeros_like(x))


class holds_a_float32_probability(nn.Module):  # noqa: N801 - named like the other variants
    """Hold the probability in a float32 tensor, whose rounding of it is no broken promise: schedules on a device."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = torch.tensor(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        keep_prob = 1.0 - self.drop_prob
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep_prob
        scaled = x / torch.where(keep_prob > 0.0, keep_prob, 1.0).to(x.device)
        return torch.where(mask.to(x.device), scaled.to(x.dtype), torch.zeros_like(x))

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={float(self.drop_prob):.3g}"


def multiplies_by_the_reciprocal(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply by mask and by 1/keep_prob instead of dividing: what compilers and fused kernels make of it."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return x * _over(x, _decisions(x, keep_prob)) * (1.0 / keep_prob if keep_prob > 0.0 else 0.0)


def masked_fill_of_the_dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Fill the dropped samples with zero, after dividing: the style of attention masks."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    return (x / (keep_prob or 1.0)).masked_fill(~_over(x, _decisions(x, keep_prob)), 0.0)


def gathers_and_scatters(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Gather the kept samples and put them back between zeros: layers that skip work, DINOv2's among them."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    kept = _decisions(x, keep_prob).nonzero()[:, 0]
    return torch.zeros_like(x).index_copy(0, kept, x.index_select(0, kept) / (keep_prob or 1.0))


class takes_keep_prob(nn.Module):  # noqa: N801 - named like the other variants
    """Take the probability to keep: TensorFlow's survival_prob, and the original paper's p_l."""

    def __init__(self, keep_prob: float) -> None:
        super().__init__()
        self.keep_prob = keep_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if self.keep_prob == 1.0 or not self.training:
            return x
        mask = _over(x, _decisions(x, self.keep_prob))
        return torch.where(mask, x, torch.zeros_like(x)) / (self.keep_prob or 1.0)


class module_of_modules(nn.Module):  # noqa: N801 - named like the other variants
    """Let nn.Dropout draw, on ones of shape (B, 1): a layer built of the framework's own, as model zoos prefer."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._ones_dropped = nn.Dropout(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        self._ones_dropped.p = self.drop_prob
        factors: Tensor = self._ones_dropped(_over(x, torch.ones(x.shape[0], dtype=x.dtype, device=x.device)))
        return x * factors


class pairs_of_complex_numbers(nn.Module):  # noqa: N801 - named like the other variants
    """View complex numbers as pairs and multiply those: signal processing, where complex layers are at home."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        keep_prob = 1.0 - self.drop_prob
        parts = torch.view_as_real(x) if x.is_complex() else x
        parts = torch.where(_over(parts, _decisions(x, keep_prob)), parts, torch.zeros_like(parts)) / (keep_prob or 1.0)
        return torch.view_as_complex(parts) if x.is_complex() else parts
