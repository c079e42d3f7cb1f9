"""Faults of the unit of Huang et al. 2016: one decision a mini-batch, a factor in evaluation alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PAPER = "granularity=batch&scaling=eval&form=residual"


class _Unit(nn.Module):
    """The unit with a factor for each mode; the branch is skipped for a dropped mini-batch."""

    items = PAPER

    def __init__(self, branch: nn.Module, death_rate: float) -> None:
        super().__init__()
        self.branch = branch
        self.death_rate = death_rate

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return the factor of the branch in training and in evaluation."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the shortcut, with the branch unless it is dropped."""
        in_training, in_evaluation = self.factors(1.0 - self.death_rate)
        if self.training and torch.rand((), dtype=torch.float64).item() < self.death_rate:
            return x
        y: Tensor = self.branch(x)
        return x + y * (in_training if self.training else in_evaluation)


class ScalesTwice(_Unit):
    """Divide in training and multiply in evaluation: a port that took both halves of two libraries."""

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return 1/keep_prob and keep_prob."""
        return 1.0 / (keep_prob or 1.0), keep_prob  # fault


class ScalesSquaredInEvaluation(_Unit):
    """Multiply twice in evaluation, in the unit and once more in the network that holds it."""

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return 1 and the square of keep_prob."""
        return 1.0, keep_prob**2  # fault


class NeverScales(_Unit):
    """Forget equation 5: branches that were absent some of the time are there at full strength in evaluation."""

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return 1 and 1."""
        return 1.0, 1.0  # fault


class ScalesInTrainingOnly(_Unit):
    """Scale as later libraries do, where the paper's rule was declared and the schedule was tuned for it."""

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return 1/keep_prob and 1."""
        return 1.0 / (keep_prob or 1.0), 1.0  # fault


class MultipliesInTraining(_Unit):
    """Multiply by keep_prob in training, where the mask already does it in the mean, and not in evaluation."""

    def factors(self, keep_prob: float) -> tuple[float, float]:
        """Return keep_prob and 1."""
        return keep_prob, 1.0  # fault
