"""Right numbers in the wrong form, or at the wrong place, or once alone."""

from __future__ import annotations

import numpy as np
import torch

_made: list[float] = []


def tensors(drop_path_rate: float, depths: list[int]) -> list[torch.Tensor]:
    """Returns tensors without axes, which end up in layers, configurations and checkpoints."""
    return list(torch.linspace(0, drop_path_rate, sum(depths), device="cpu"))


def numpy_scalars(rate: float, depth: int) -> list[float]:
    """Returns NumPy's numbers, which look like Python's until something writes or compares them."""
    return list(np.linspace(0.0, rate, depth))


def reads_items(drop_path_rate: float, depths: list[int]) -> list[float]:
    """Reads numbers out of tensors on the default device, which have none where a model is built on the meta device."""
    return [rate.item() for rate in torch.linspace(0, drop_path_rate, sum(depths))]


def remembers(rate: float, depth: int) -> list[float]:
    """Appends to a list of its module, so that a second model gets the rates of the first as well."""
    _made.extend(rate * block / max(depth - 1, 1) for block in range(depth))
    return list(_made)


def alone(rate: float, depth: int) -> float:
    """Returns the rate of the last block, where callers go through a list."""
    return rate if depth else 0.0


def texts(rate: float, depth: int) -> list[str]:
    """Returns the rates as texts, as they are logged."""
    return [f"{rate * block / max(depth - 1, 1)}" for block in range(depth)]
