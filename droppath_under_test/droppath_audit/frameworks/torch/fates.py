"""What became of the samples that went through a layer, read off its input and output."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Fates(NamedTuple):
    """Fates of samples, each of shape (samples,) and dtype bool, on the device of the output.

    Attributes:
        kept: No element that tells was dropped, and some was not.
        dropped: Every element that tells was dropped.
        told: Some element tells.
    """

    kept: torch.Tensor
    dropped: torch.Tensor
    told: torch.Tensor


def fates(branch: torch.Tensor, output: torch.Tensor, base: torch.Tensor | None = None) -> Fates:
    """Return what became of each sample along axis 0.

    An element tells where the branch is not zero and, beside a shortcut, changes the sum. It was dropped where the
    output is zero, or the shortcut. NaN counts as kept.

    Args:
        branch: What may be dropped, of shape (samples, ...).
        output: Of the same shape.
        base: The shortcut, of the same shape; None for zero.
    """
    samples = branch.shape[0]
    rows, after = branch.reshape(samples, -1), output.reshape(samples, -1)
    if base is None:
        tells, gone = rows != 0, after == 0
    else:
        under = base.reshape(samples, -1)
        tells, gone = (rows != 0) & (under + rows != under), after == under
    there, lost = (tells & ~gone).any(1), (tells & gone).any(1)
    return Fates(there & ~lost, lost & ~there, there | lost)


def factor(branch: torch.Tensor, output: torch.Tensor, kept: torch.Tensor, base: torch.Tensor | None = None) -> float:
    """Return by what the kept samples were multiplied, at their largest element; NaN where none was kept."""
    number = int(kept.nonzero()[0]) if bool(kept.any()) else -1
    if number < 0 or not branch[number].numel():
        return float("nan")
    row, after = (one[number].reshape(-1).to("cpu", torch.float64) for one in (branch, output))
    if base is not None:
        after = after - base[number].reshape(-1).to("cpu", torch.float64)
    largest = int(row.abs().nan_to_num(0.0, 0.0, 0.0).argmax())
    return float(after[largest] / row[largest])
