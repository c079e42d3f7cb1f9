"""Schedules as they are written in the wild, all of them right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def formula(drop_path_rate: float, depth: int) -> list[float]:
    """A formula in plain Python, guarded for a single block."""
    return [drop_path_rate * block / max(depth - 1, 1) for block in range(depth)]


def of_the_paper(num_layers: int, survival_prob: float) -> list[float]:
    """Survival probabilities of the paper, by its equation 4."""
    return [1 - (block + 1) / num_layers * (1 - survival_prob) for block in range(num_layers)]


def never_reaching(drop_connect_rate: float, num_blocks: int) -> list[float]:
    """The rule of EfficientNet, which never reaches its rate."""
    return [drop_connect_rate * block / num_blocks for block in range(num_blocks)]


def the_same_for_all(p: float, n: int) -> list[float]:
    """The same rate for every block, as in MLP-Mixer."""
    return [p] * n


def on_the_cpu(drop_path_rate: float, depths: list[int]) -> list[list[float]]:
    """Lists of a list for each stage, of a tensor that is made on the CPU whatever the default device is."""
    rates = torch.linspace(0, drop_path_rate, sum(depths), device="cpu")
    return [part.tolist() for part in torch.split(rates, depths)]


def stage_by_stage(rate: float, depths: Sequence[int]) -> list[float]:
    """One rate a stage."""
    last = max(len(depths) - 1, 1)
    return [rate * stage / last for stage, depth in enumerate(depths) for _ in range(depth)]


def one_after_the_other(rate: float, depth: int) -> Iterator[float]:
    """A generator."""
    for block in range(depth):
        yield rate * block / max(depth - 1, 1)


def in_an_array(rate: float, depth: int) -> list[float]:
    """NumPy's linspace, as a list."""
    return [float(value) for value in np.linspace(0.0, rate, depth)]


def for_one_block(layer_idx: int, num_layers: int, drop_prob: float) -> float:
    """The rate of one block, which is asked block by block."""
    return drop_prob * layer_idx / max(num_layers - 1, 1)


def from_an_end_to_another(start: float, end: float, depth: int) -> list[float]:
    """A ramp between two rates."""
    return [start + (end - start) * block / max(depth - 1, 1) for block in range(depth)]


def a_single_block_has_the_rate(rate: float, depth: int) -> list[float]:
    """A ramp that is its last end where it has one block."""
    return [rate] if depth == 1 else [rate * block / (depth - 1) for block in range(depth)]


def either(drop_path_rate: float, depths: int | list[int]) -> list[float]:
    """Takes a number of blocks, or a list of one for each stage."""
    total = depths if isinstance(depths, int) else sum(depths)
    return [drop_path_rate * block / max(total - 1, 1) for block in range(total)]


def survival_of(drop_rate: float, depth: int) -> tuple[float, ...]:
    """Survival probabilities of a drop rate, by the name of the function, as a tuple."""
    return tuple(1.0 - drop_rate * block / max(depth - 1, 1) for block in range(depth))


class Ramp:
    """An object that is made with a rate and called with a depth."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, depth: int) -> list[float]:
        """Return the rates of so many blocks."""
        return [self.rate * block / max(depth - 1, 1) for block in range(depth)]


class Rates:
    """An object that is made with both, and gone through."""

    def __init__(self, drop_prob: float, num_layers: int) -> None:
        self.drop_prob, self.num_layers = drop_prob, num_layers

    def __len__(self) -> int:
        return self.num_layers

    def __getitem__(self, block: int) -> float:
        if block >= self.num_layers:
            raise IndexError(block)
        return self.drop_prob * (block + 1) / self.num_layers
