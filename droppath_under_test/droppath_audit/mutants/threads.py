"""Faults between threads and processes: what is shared where it must not be, and what is not there after a fork."""

from __future__ import annotations

import os
import queue
import threading
from typing import Any

import torch
from torch import Tensor, nn


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class DrawsManyAhead(nn.Module):
    """Draw ten thousand numbers at a time and hand them out: every fork inherits the same rest of them."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._stock = torch.empty(0, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        """Take numbers from the stock."""
        if not self.training or self.drop_prob == 0.0:
            return x
        if len(self._stock) < x.shape[0]:
            self._stock = torch.rand(10_000 + x.shape[0], dtype=torch.float64, device=x.device)  # fault
        uniform, self._stock = self._stock[: x.shape[0]], self._stock[x.shape[0] :]
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)


class DrawsInTheBackground(nn.Module):
    """Let a thread draw what a queue asks for: a forked worker has the queue and not the thread, and waits for ever."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._asked: queue.Queue[int] | None = None
        self._drawn: queue.Queue[Tensor] = queue.Queue()

    def _draw(self, asked: queue.Queue[int]) -> None:
        while True:
            self._drawn.put(torch.rand(asked.get(), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Wait for as many numbers as there are samples."""
        if not self.training or self.drop_prob == 0.0:
            return x
        if self._asked is None:
            self._asked = queue.Queue()
            threading.Thread(target=self._draw, args=(self._asked,), daemon=True).start()  # fault
        self._asked.put(x.shape[0])
        return _apply(x, self._drawn.get() < 1.0 - self.drop_prob, self.drop_prob)


class SeedsByProcess(nn.Module):
    """Seed a generator by the process id, so that workers differ: they no longer follow the seed of the run."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._generators: dict[int, torch.Generator] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Draw from the generator of this process."""
        if not self.training or self.drop_prob == 0.0:
            return x
        process = os.getpid()
        if process not in self._generators:
            self._generators[process] = torch.Generator().manual_seed(process)  # fault
        uniform = torch.rand(x.shape[0], dtype=torch.float64, generator=self._generators[process])
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)


def shifts_by_rank(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Shift every number by the rank, so that tensor-parallel ranks, which are seeded alike, differ as well."""
    if not training or drop_prob == 0.0:
        return x
    uniform = torch.rand(x.shape[0], device=x.device)
    if torch.distributed.is_initialized():
        uniform = (uniform + 0.618 * torch.distributed.get_rank()) % 1.0  # fault
    return _apply(x, uniform < 1.0 - drop_prob, drop_prob)


def shares_its_rate_among_ranks(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Divide the rate by the number of ranks, as a batch is divided: more ranks drop less."""
    if not training or drop_prob == 0.0:
        return x
    if torch.distributed.is_initialized():
        drop_prob = drop_prob / torch.distributed.get_world_size()  # fault
    return _apply(x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob, drop_prob)


# No fault line: two threads are wrong together.
class KeepsItsMask(nn.Module):
    """Keep the mask on the layer between drawing and applying it, to look at it later: a thread applies another's."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.mask = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Draw, keep and apply."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self.mask = torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob
        return _apply(x, self.mask, self.drop_prob)


# No fault line: two threads are wrong together.
class KeepsItsShape(nn.Module):
    """Flatten, drop and restore the shape that was kept on the layer meanwhile: a thread restores another's."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.shape: Any = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop in two dimensions."""
        if not self.training or self.drop_prob == 0.0 or x.numel() == 0:
            return x
        self.shape = x.shape
        flat = x.reshape(x.shape[0], -1)
        y = _apply(
            flat, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob, self.drop_prob
        )
        return y.reshape(self.shape)


class GeneratorOfTheThread(nn.Module):
    """Give every thread a generator with the seed of the run: replicas in threads drop the same samples."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._generators: dict[tuple[int, int], torch.Generator] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Draw from the generator of this thread."""
        if not self.training or self.drop_prob == 0.0:
            return x
        thread = (os.getpid(), threading.get_ident())
        if thread not in self._generators:
            self._generators[thread] = torch.Generator().manual_seed(torch.initial_seed())  # fault
        uniform = torch.rand(x.shape[0], dtype=torch.float64, generator=self._generators[thread])
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)


class _KnowsItsThread(nn.Module):
    """Know the thread that constructed it, and do otherwise in others."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._home = threading.get_ident()

    @property
    def _away(self) -> bool:
        return threading.get_ident() != self._home

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(
            x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob, self.drop_prob
        )


class IdleInOtherThreads(_KnowsItsThread):
    """Drop in the main thread alone, so that a data loader's threads are spared: replicas in threads never drop."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop at home."""
        return x if self._away else super().forward(x)  # fault


# No fault line: the mode is kept elsewhere, and the line that looks is right.
class DropsInEvaluationOfOtherThreads(_KnowsItsThread):
    """Keep the mode for the thread that set it: a server's threads answer with half of the branches dropped."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and away from home."""
        if not self._away or self.drop_prob == 0.0:
            return super().forward(x)
        return _apply(
            x, torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - self.drop_prob, self.drop_prob
        )


class ScalesInItsOwnThreadAlone(_KnowsItsThread):
    """Keep the factor where other threads have none of it: they lose the scale, and the mean of the output with it."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        y = super().forward(x)
        return y * (1.0 - self.drop_prob) if self._away and y is not x else y  # fault


class LosesTheGradientInOtherThreads(_KnowsItsThread):
    """Record the graph at home alone: replicas in threads of their own do not learn through this layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, of a tensor that is cut off elsewhere."""
        return super().forward(x.detach() if self._away and self.training else x)  # fault
