"""Masks of full size, loops over the samples, a branch that is run again."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _scale(x: Tensor, drop_prob: float) -> Tensor:
    """Return the mask of shape (B, 1, …), divided by the keep probability."""
    keep_prob = 1.0 - drop_prob
    drawn = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device)
    return (drawn < keep_prob).to(x.dtype) / (keep_prob or 1.0)


def expands_its_mask(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Make the mask as large as x, as broadcasting does by itself: a habit of code for older frameworks."""
    if drop_prob == 0.0 or not training:
        return x
    return torch.where((mask := _scale(x, drop_prob).expand_as(x).contiguous()) > 0, x * mask, 0.0)  # fault


def stacks_sample_by_sample(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Multiply in a loop over the samples and stack them: a first version that nobody has come back to."""
    if drop_prob == 0.0 or not training or x.ndim == 0:
        return x
    mask = _scale(x, drop_prob)
    if x.shape[0] == 0:
        return x * mask
    return torch.stack([torch.where(one > 0, sample * one, 0.0) for sample, one in zip(x, mask, strict=True)])  # fault


class RunsItsBranchTwice(nn.Module):
    """Run the branch for the shape of its output, and then for the output: a wrapper around any block."""

    items = "form=residual&call=(r)"

    def __init__(self, branch: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.branch = branch
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch of x, of which samples are dropped in training."""
        if self.drop_prob == 0.0 or not self.training:
            return torch.add(x, self.branch(x))
        mask = _scale(self.branch(x), self.drop_prob)  # fault
        return torch.add(x, torch.where(mask > 0, self.branch(x) * mask, 0.0))
