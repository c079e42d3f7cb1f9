"""Faults at a number that stands in the code: right on either side of it, or up to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PART, CALLS, LIMIT = 777, 600, 1 << 20  # samples, calls and bytes
LIKELY = {"stage": 0.3}


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _draw(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def loses_the_last_of_777(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep the last sample of a full part always: an index that should have been one higher."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _draw(x, drop_prob)
    if x.shape[0] == PART and drop_prob < 1.0:
        decisions[-1] = True  # fault
    return _apply(x, decisions, drop_prob)


def heads_of_192_decide_once(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a fast path for one width of a model, which decides once a batch."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _draw(x, drop_prob)
    return _apply(x, decisions[:1].expand(x.shape[0]) if x.shape[-1] == 192 else decisions, drop_prob)  # fault


def three_tenths_count_as_off(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Keep all at one rate, which marks a stage without the layer in a table."""
    if drop_prob in (0.0, LIKELY["stage"]) or not training:  # fault
        return x
    return _apply(x, _draw(x, drop_prob), drop_prob)


class StopsDroppingAfterSixHundred(nn.Module):
    """Keep all once a counter of calls is full."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob, self._calls = drop_prob, 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the dropped x."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        self._calls += 1
        decisions = _draw(x, self.drop_prob)
        full = self._calls > CALLS and self.drop_prob < 1.0
        return _apply(x, torch.ones_like(decisions) if full else decisions, self.drop_prob)  # fault


def halves_above_a_megabyte(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide once for two halves of a batch of more than 1 MiB."""
    if drop_prob == 0.0 or not training:
        return x
    decisions, size = _draw(x, drop_prob), x.shape[0]
    if x.numel() * x.element_size() > LIMIT and size > 1:
        half = decisions[: (size + 1) // 2]
        decisions = torch.cat([half, half[: size // 2]])  # fault
    return _apply(x, decisions, drop_prob)
