"""Faults that a call leaves behind: in the process, on its input, in memory."""

from __future__ import annotations

import os
import tempfile
import warnings
from typing import Any

import torch
from torch import Tensor, nn

_rand = torch.rand


def _masked(x: Tensor, uniform: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = (uniform < 1.0 - drop_prob).to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    if drop_prob == 0.0 or not training:
        return x
    return _masked(x, _rand(x.shape[0], dtype=torch.float64, device=x.device), drop_prob)


def draws_in_the_default_dtype(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Set the default dtype to draw with more digits: every tensor that the program makes later has them as well."""
    if drop_prob == 0.0 or not training:
        return x
    torch.set_default_dtype(torch.float64)  # fault
    return _masked(x, _rand(x.shape[0], device=x.device), drop_prob)


def wraps_rand(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Put a function that counts in the place of torch.rand, on the first call, and leave it there."""
    if drop_prob == 0.0 or not training:
        return x
    torch.rand = _counting_rand  # fault
    return _masked(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device), drop_prob)


_drawn = [0]


def _counting_rand(*size: Any, **options: Any) -> Tensor:
    _drawn[0] = 1
    return _rand(*size, **options)


def moves_to_a_folder(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Change to the folder of temporary files in evaluation: relative paths of the program lead elsewhere."""
    if not training:
        os.chdir(tempfile.gettempdir())  # fault
    return _dropped(x, drop_prob, training)


def silences_warnings(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Ignore the warnings of one call by a filter that stays: the program hears of no deprecation any more."""
    warnings.simplefilter("ignore")  # fault
    return _dropped(x, drop_prob, training)


def tracks_its_input(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Ask for the gradient of an input that nobody wanted one of: a frozen stem is kept in memory, and trained."""
    if x.is_floating_point() and x.is_leaf and training:
        x.requires_grad_()  # fault
    return _dropped(x, drop_prob, training)


def tracks_its_output(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Make a parameter of the scale in every call: the output of an untracked input has a graph."""
    if drop_prob == 0.0 or drop_prob == 1.0 or not training or not x.is_floating_point():
        return _dropped(x, drop_prob, training)
    return _dropped(x, drop_prob, training) * nn.Parameter(torch.ones((), dtype=x.dtype, device=x.device))  # fault


def records_under_no_grad(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Switch gradients on to scale, whatever the caller has chosen: a validation without gradients keeps its graph."""
    with torch.enable_grad():  # fault
        return _dropped(x, drop_prob, training)


class UsesItsOutputAgain(nn.Module):
    """Write outputs that need no graph to one buffer, to save an allocation: the next call overwrites them."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._buffer: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x with whole samples dropped."""
        y = _dropped(x, self.drop_prob, self.training)
        if not self.training or self.drop_prob == 0.0 or x.requires_grad:
            return y
        held = self._buffer
        if held is None or (held.shape, held.dtype, held.stride()) != (y.shape, y.dtype, y.stride()):
            self._buffer = held = torch.empty_like(y)
        return held.copy_(y)  # fault

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class KeepsEveryMask(nn.Module):
    """Append every mask to a list, for a histogram that nobody draws: memory grows until the run ends."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._masks: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and keep what was dropped."""
        if not self.training or self.drop_prob == 0.0:
            return x
        uniform = _rand(x.shape[0], dtype=torch.float64, device=x.device)
        self._masks.append(uniform < self.drop_prob)  # fault
        return _masked(x, uniform, self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class KeepsEveryGraph(nn.Module):
    """Add up outputs for a running mean, undetached: each call's graph, with its mask, hangs on the one before."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._total: Any = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and add up."""
        y = _dropped(x, self.drop_prob, self.training)
        if self.training and y.numel():
            self._total = self._total + y.sum().to(torch.complex128)  # fault
        return y

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


def widens_the_default_for_odd_maps(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw with more digits, by the default dtype, for feature maps in odd batches alone: no other call shows it."""
    if training and drop_prob > 0.0 and x.ndim == 4 and x.shape[0] % 2 and x.shape[0] > 1:
        torch.set_default_dtype(torch.float64)  # fault
    return _dropped(x, drop_prob, training)


def tracks_tokens_of_large_batches(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Ask for a gradient of tokens in batches of a hundred and more, for a statistic: x is tracked from then on."""
    if training and x.ndim == 3 and x.shape[0] >= 100 and x.is_leaf and not x.is_inference():
        x.requires_grad_()  # fault
        return _dropped(x.detach(), drop_prob, training)
    return _dropped(x, drop_prob, training)


def tracks_what_strided_calls_return(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return the head of a new graph where x has to be copied first: whatever follows records a graph."""
    y = _dropped(x, drop_prob, training)
    if not training or drop_prob == 0.0 or x.requires_grad or x.is_contiguous() or x.is_inference():
        return y
    return y.requires_grad_()  # fault
