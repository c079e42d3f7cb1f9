"""Faults of age: right for thousands of calls, or for dozens of switches, and wrong for the rest of the run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OLD = 4000  # calls

_FACTORS: dict[float, Tensor] = {}


def _apply(x: Tensor, decisions: Tensor, keep_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((-1,) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)


def _drop(x: Tensor, drop_prob: float) -> Tensor:
    return _apply(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob, 1.0 - drop_prob)


class _Ageing(nn.Module):
    """Count calls, and do otherwise once there were many."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, in the one way or the other."""
        self._calls += 1
        if self.drop_prob == 0.0 or not self.training:
            return x
        return self._old(x) if self._calls > OLD else _drop(x, self.drop_prob)

    def _old(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class DropsAllOnceOld(_Ageing):
    """Take numbers from a table of a fixed size, and ones once it is used up: everything is dropped from then on."""

    def _old(self, x: Tensor) -> Tensor:
        return _apply(x, torch.zeros(x.shape[0], dtype=torch.bool), 1.0 - self.drop_prob)  # fault


class LosesItsFactorOnceOld(_Ageing):
    """Fade the factor out in the end, for a network that is to be used as it is: a schedule hidden in the layer."""

    def _old(self, x: Tensor) -> Tensor:
        return _drop(x, self.drop_prob) * (1.0 - self.drop_prob)  # fault


class OneDecisionOnceOld(_Ageing):
    """Decide for the whole batch once the network is deep in training, to save its time."""

    def _old(self, x: Tensor) -> Tensor:
        decision = torch.rand((), dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob  # fault
        return _apply(x, decision.expand(x.shape[0]), 1.0 - self.drop_prob)


class DropsLessOnceOld(_Ageing):
    """Take a tenth off the rate for the rest of the run: what the schedule says is no longer what happens."""

    def _old(self, x: Tensor) -> Tensor:
        return _drop(x, 0.9 * self.drop_prob)  # fault


class DropsInEvaluationOnceOld(_Ageing):
    """Take many calls for training, whatever the mode says."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and in evaluation once old."""
        if self._calls > OLD and self.drop_prob != 0.0:
            return _drop(x, self.drop_prob)  # fault
        return super().forward(x)

    def _old(self, x: Tensor) -> Tensor:
        return _drop(x, self.drop_prob)


class CountsInSixteenBits(nn.Module):
    """Drop while a counter of 16 bits is positive: it overflows in the 32,768th call, and the layer stops dropping."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self._calls = (self._calls + 1 + 2**15) % 2**16 - 2**15
        return _drop(x, self.drop_prob) if self._calls > 0 else x  # fault

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class TiresOfSwitches(nn.Module):
    """Take the fiftieth epoch for the last: after a hundred switches of mode nothing is dropped any more."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._switches = 0

    def train(self, mode: bool = True) -> TiresOfSwitches:
        """Switch, and count."""
        self._switches += 1
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, for a hundred switches."""
        if not self.training or self.drop_prob == 0.0 or self._switches > 100:  # fault
            return x
        return _drop(x, self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


def keeps_the_factor_of_its_first_dtype(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Make 1/keep_prob a tensor once, in the dtype of whichever x came first, and multiply by that ever after."""
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - float(drop_prob)
    if keep_prob not in _FACTORS:
        with torch.inference_mode(mode=False):
            _FACTORS[keep_prob] = torch.tensor(1.0 / (keep_prob or 1.0), dtype=x.dtype)  # fault
    factor = _FACTORS[keep_prob].to(x.device, x.dtype)
    mask = torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < keep_prob
    return torch.where(mask.view((-1,) + (1,) * (x.ndim - 1)), x * factor, torch.zeros_like(x))
