"""Faults of defaults: a constructor that is told nothing makes a layer that cannot train."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _checked(drop_prob: float) -> float:
    """Return the probability; refuse what is none, so that a mutant has one fault only."""
    if not isinstance(drop_prob, (int, float)):
        raise TypeError(f"drop_prob must be a number; got {drop_prob!r}")
    if not 0.0 <= drop_prob <= 1.0:
        raise ValueError(f"drop_prob must lie in [0, 1]; got {drop_prob!r}")
    return drop_prob


def _dropped(x: Tensor, drop_prob: float) -> Tensor:
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


# No fault line: what is missing is a test of the default.
class DefaultsToNone(nn.Module):
    """Take None for a probability that is set later: where nobody sets it, the first training step ends the run."""

    def __init__(self, drop_prob: float | None = None) -> None:
        super().__init__()
        self.drop_prob = drop_prob if drop_prob is None else _checked(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _dropped(x, _checked(self.drop_prob))  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class DefaultsToAnInteger(nn.Module):
    """Default to 0, and write the rate down with all its digits in the first training step, as only floats can."""

    def __init__(self, drop_prob: float = 0) -> None:
        super().__init__()
        self.drop_prob = _checked(drop_prob)
        self.digits = ""

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training:
            return x
        self.digits = self.digits or self.drop_prob.hex()  # fault
        return x if self.drop_prob == 0.0 else _dropped(x, self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"
