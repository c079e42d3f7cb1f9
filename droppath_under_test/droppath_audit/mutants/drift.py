"""Faults of time: a keep probability that moves with the number of calls."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Counting(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop with what drop_prob has become by now; the scale is that of now as well."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        keep_prob = 1.0 - self._current(self._calls)
        self._calls += 1
        decisions = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device) < keep_prob
        return torch.where(decisions, x, torch.zeros_like(x)) / (keep_prob or 1.0)

    def _current(self, calls: int) -> float:
        raise NotImplementedError


class warms_up_by_itself(_Counting):  # noqa: N801 - named like the other mutants
    """Raise drop_prob from 0 over the first 200 calls, as DropBlock's linear scheduler does with every step."""

    def _current(self, calls: int) -> float:
        return self.drop_prob * min(1.0, calls / 200)  # fault


class FullDepthNowAndThen(_Counting):
    """Drop nothing in every thousandth call, for the figures of the full network in the log."""

    def _current(self, calls: int) -> float:
        return 0.0 if calls % 1000 == 999 else self.drop_prob  # fault


class decays_with_every_call(_Counting):  # noqa: N801 - named like the other mutants
    """Multiply drop_prob by 0.99998 in every call: an exponential curriculum, halved after 35 000 steps."""

    def _current(self, calls: int) -> float:
        return float(self.drop_prob * 0.99998**calls)  # fault


class first_call_is_identity(_Counting):  # noqa: N801 - named like the other mutants
    """Set up buffers in the first call and return x as it is: lazily built layers."""

    def _current(self, calls: int) -> float:
        return 0.0 if calls == 0 else self.drop_prob  # fault


class early_only(_Counting):  # noqa: N801 - named like the other mutants
    """Stop dropping after 3000 calls: early stochastic depth, counted inside the layer and by calls, not epochs."""

    def _current(self, calls: int) -> float:
        return self.drop_prob if calls < 3000 else 0.0  # fault
