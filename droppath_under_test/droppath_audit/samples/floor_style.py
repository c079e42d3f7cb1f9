"""The floor-style DropPath of many tutorials, and the element-wise dropout that is printed beside it.

Both turn ``keep_prob + uniform`` into a mask by rounding down, and both divide before they multiply. The class works in
the dtype of x and inherits its resolution; the dropout draws in float32 on the CPU, whatever x is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Drop samples by a mask ``floor(keep_prob + rand)`` in the dtype of x.

    What an audit says of it: at keep_prob = 0 the division gives inf, and inf times 0 is NaN (DP301, DP302). In
    bfloat16 there are only 256 uniform numbers, and the sum is rounded again, so that the keep probability is off by
    more than a thousandth and next to its ends by everything (DP101, DP102, DP203, DP303). With the default
    drop_prob=None the first training call raises (DP007).
    """

    def __init__(self, drop_prob: float | None = None) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Return x in evaluation, otherwise the samples that the mask keeps, divided by keep_prob."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        keep_prob = 1 - self.drop_prob  # type: ignore[operator]
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        mask = keep_prob + torch.rand(shape, dtype=x.dtype, device=x.device)
        return x.div(keep_prob) * mask.floor_()


def dropout(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Drop single elements by a mask ``floor(keep_prob + rand)`` that is float32 and on the CPU.

    What an audit says of it: half precision goes in and float32 comes out (DP005), x on another device meets a mask on
    the CPU and raises, and keep_prob = 0 gives NaN (DP301, DP302). The law of the mask is right in every dtype, because
    the dtype of x has no part in it.
    """
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1 - drop_prob
    mask = keep_prob + torch.rand(x.shape)
    return x.div(keep_prob) * mask.floor()
