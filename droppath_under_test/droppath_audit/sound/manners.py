"""Layers that do themselves what the framework would do for them, and do it right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Layer(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        if not 0.0 <= drop_prob <= 1.0:
            raise ValueError(f"drop_prob must lie in [0, 1]; got {drop_prob!r}")
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < 1.0 - self.drop_prob
        return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - self.drop_prob) or 1.0)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class CopiesItself(_Layer):
    """Have __deepcopy__ and a pickle of its own, which carry all that the layer holds."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiesItself:
        copied = type(self).__new__(type(self))
        copied.__setstate__(self.__getstate__())  # type: ignore[no-untyped-call]
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {name: value.copy() if isinstance(value, dict) else value for name, value in self.__dict__.items()}


class SwitchesItself(_Layer):
    """Override train() to note the mode under another name, and __call__ to count, and pass both on."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.drops = True

    def train(self, mode: bool = True) -> SwitchesItself:
        """Note the mode, and switch."""
        self.drops = mode
        return super().train(mode)

    def __call__(self, x: Tensor) -> Tensor:
        """Call the layer, hooks included."""
        return super().__call__(x) if self.drops else super().__call__(x.view_as(x))  # type: ignore[no-any-return]


class CountsItsCalls(_Layer):
    """Count calls in a plain number, for a log, and decide nothing by it."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        self.calls += 1
        return super().forward(x)
