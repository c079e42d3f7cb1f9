"""Sound layers of the other dialects, each of which declares its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _decided(x: Tensor, shape: tuple[int, ...], keep_prob: float) -> Tensor:
    mask = torch.rand(shape, dtype=torch.float64, device=x.device) < keep_prob
    return torch.where(mask, x, torch.zeros_like(x))


def _rows(x: Tensor) -> tuple[int, ...]:
    return (x.shape[0],) + (1,) * (x.ndim - 1)


class adds_the_shortcut(nn.Module):  # noqa: N801 - named like the other variants
    """Return shortcut + dropped branch: fused residual additions, as in flash-attn's dropout_add."""

    items = "form=residual&call=(r,x)"

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Drop the branch in training and add it."""
        if self.drop_prob == 0.0 or not self.training:
            return shortcut + branch
        keep_prob = 1.0 - self.drop_prob
        return shortcut + _decided(branch, _rows(branch), keep_prob) / (keep_prob or 1.0)


class holds_the_branch(nn.Module):  # noqa: N801 - named like the other variants
    """Hold the branch and add what is kept of its output to the input: residual wrappers around any block."""

    items = "form=residual&call=(r)"

    def __init__(self, branch: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.branch = branch
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch of x, of which samples are dropped in training."""
        if self.drop_prob == 0.0 or not self.training:
            return torch.add(x, self.branch(x))
        keep_prob = 1.0 - self.drop_prob
        return torch.add(x, _decided(self.branch(x), _rows(x), keep_prob) / (keep_prob or 1.0))


def never_rescales(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop without rescaling, declared as such: LayerDrop on samples."""
    return x if drop_prob == 0.0 or not training else _decided(x, _rows(x), 1.0 - drop_prob)


def elements_of_dropout(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for every element, declared as such: plain dropout where a DropPath was configured."""
    if drop_prob == 0.0 or not training:
        return x
    return _decided(x, tuple(x.shape), 1.0 - drop_prob) / ((1.0 - drop_prob) or 1.0)


def batch_at_once(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide once for the batch, rescaled: torchvision's mode "batch", RegNet's first form."""
    if drop_prob == 0.0 or not training:
        return x
    return _decided(x, (1,) * x.ndim, 1.0 - drop_prob) / ((1.0 - drop_prob) or 1.0)


class unit_of_the_paper(nn.Module):  # noqa: N801 - named like the other variants
    """Decide once for the batch and multiply by keep_prob in evaluation: Huang et al. 2016, equations 2 and 5."""

    items = "granularity=batch&scaling=eval&form=residual&call=(r,x)"

    def __init__(self, survival_prob: float) -> None:
        super().__init__()
        self.survival_prob = survival_prob

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Add the branch, nothing, or in evaluation its share."""
        if not self.training:
            return shortcut + branch * self.survival_prob
        if self.survival_prob == 1.0:
            return shortcut + branch
        return shortcut + _decided(branch, (1,) * branch.ndim, self.survival_prob)


class skips_a_dropped_branch(nn.Module):  # noqa: N801 - named like the other variants
    """Decide once for the batch, before the branch is run, and run it only if it is kept: LayerDrop, rescaled."""

    items = "form=residual&granularity=batch"

    def __init__(self, branch: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.branch = branch
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Return the shortcut alone, or with the branch."""
        if not self.training or self.drop_prob == 0.0:
            return torch.add(x, self.branch(x))
        keep_prob = 1.0 - self.drop_prob
        if torch.rand((), dtype=torch.float64) >= keep_prob:
            return x
        return torch.add(x, self.branch(x) / keep_prob)


never_rescales.items = "scaling=none"  # type: ignore[attr-defined]
elements_of_dropout.items = "granularity=element"  # type: ignore[attr-defined]
batch_at_once.items = "granularity=batch"  # type: ignore[attr-defined]
