"""Faults that show on a second device only: each of these layers is right wherever the CPU is all there is."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def dropped(x: Tensor, uniform: Tensor, drop_prob: float) -> Tensor:
    mask = (uniform >= drop_prob).view((-1,) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class Layer(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        if not 0.0 <= drop_prob <= 1.0:
            raise ValueError(f"drop_prob must lie in [0, 1]; got {drop_prob!r}")
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        return dropped(x, self.uniform(x), self.drop_prob) if self.training and self.drop_prob > 0.0 else x

    def uniform(self, x: Tensor) -> Tensor:
        return torch.rand(len(x), dtype=torch.float64, device=x.device)


class DrawsOnTheCPU(Layer):
    """Copies its numbers: the seed of the device decides nothing."""

    def uniform(self, x: Tensor) -> Tensor:
        return torch.rand(len(x), dtype=torch.float64).to(x.device)


class KeepsItsBufferOnTheCPU(Layer):
    """Holds a tensor that is no registered buffer, so that no .to() moves it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.ones = torch.ones(1, dtype=torch.float64)

    def uniform(self, x: Tensor) -> Tensor:
        return super().uniform(x) * self.ones


class SeedsTheCPU(Layer):
    """Draws its mask again in the backward pass, from the state that the generator of the CPU had."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0.0:
            return x
        return _DrawnAgain.apply(x, self.drop_prob)


class _DrawnAgain(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, drop_prob):
        ctx.drop_prob, ctx.state = drop_prob, torch.get_rng_state()
        return dropped(x, torch.rand(len(x), dtype=torch.float64, device=x.device), drop_prob)

    @staticmethod
    def backward(ctx, grad):
        after = torch.get_rng_state()
        torch.set_rng_state(ctx.state)
        uniform = torch.rand(len(grad), dtype=torch.float64, device=grad.device)
        torch.set_rng_state(after)
        return dropped(grad, uniform, ctx.drop_prob), None


class RemembersTheDevice(Layer):
    """Draws where it was constructed."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.device = torch.empty(0).device

    def uniform(self, x: Tensor) -> Tensor:
        return torch.rand(len(x), dtype=torch.float64, device=self.device)


class DropsLessElsewhere(Layer):
    """Counts a device that it does not know as half of an evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0.0:
            return x
        rate = self.drop_prob if x.device.type == "cpu" else 0.9 * self.drop_prob
        return dropped(x, self.uniform(x), rate)


class CountsItsCalls(Layer):
    """Makes its numbers of a counter in Python, which counts once for all replays of a graph."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.calls = 0

    def uniform(self, x: Tensor) -> Tensor:
        self.calls += 1
        places = torch.arange(len(x), dtype=torch.float64, device=x.device)
        return torch.frac(torch.sin(places * 12.9898 + self.calls * 78.233) * 43758.5453).abs()


class DrawsAPoolAhead(Layer):
    """Draws masks for the next calls at once, and refills the pool by a counter in Python, which no replay advances."""

    AHEAD = 8

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self.left = 0

    def uniform(self, x: Tensor) -> Tensor:
        if self.left == 0 or self.pool.shape[1] != len(x):
            self.pool = torch.rand(self.AHEAD, len(x), dtype=torch.float64, device=x.device)
            self.place = torch.zeros(1, dtype=torch.int64, device=x.device)
            self.left = self.AHEAD
        self.left -= 1
        numbers = self.pool.index_select(0, self.place % self.AHEAD)[0]
        self.place += 1
        return numbers
