"""The per-sample layer of PaddlePaddle tutorials on vision transformers, with ``scale_by_keep``, in two readings.

Written after published descriptions, which agree on everything but the line that makes the mask. Importing this module
needs paddle.
"""

from __future__ import annotations

from typing import Any

import paddle  # type: ignore[import-not-found, unused-ignore]
from paddle import nn  # type: ignore[import-not-found, unused-ignore]


class DropPath(nn.Layer):  # type: ignore[misc, unused-ignore]
    """The reading that is right: the mask is ``rand < keep_prob``.

    The audit passes it. It remarks (SHOULD) that a drop_prob of 1.5 is accepted and that the repr does not show
    drop_prob, and (INFO) that a tensor of rank 0 meets an IndexError.
    """

    def __init__(self, drop_prob: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.scale_by_keep = scale_by_keep

    def mask(self, x: Any, keep_prob: float) -> Any:
        """Return 0 or 1 for each sample, in the shape (B, 1, …, 1) and dtype of x."""
        shape = [x.shape[0]] + [1] * (x.ndim - 1)
        return (paddle.rand(shape) < keep_prob).astype(x.dtype)

    def forward(self, x: Any) -> Any:
        """Drop whole samples in training; those that are kept are divided by keep_prob unless scale_by_keep is off."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        keep_prob = 1.0 - self.drop_prob
        mask = self.mask(x, keep_prob)
        if keep_prob > 0.0 and self.scale_by_keep:
            mask = mask / keep_prob
        return x * mask


class DropPathNeverFloored(DropPath):
    """The reading that is wrong: the mask is ``keep_prob + rand``, and nothing floors it.

    Every sample is multiplied by a number between 1 and 1 + 1/keep_prob; none is dropped. Training still runs, with
    multiplicative noise of mean 1 + 0.5/keep_prob in place of stochastic depth.

    The audit fails it in DP102 (outputs for x = 1 have many values), DP201 and DP202 (values that are neither zero nor
    x/keep_prob), and in what follows from the same line: nothing is ever dropped (DP003, DP101, DP104, DP501), the
    moments and the gradient are not DropPath's (DP203, DP204, DP303, DP401, DP601), and at keep_prob = 0 the output is
    x times noise (DP301, DP302). DP008 remarks (SHOULD) that a drop_prob of 1 has no effect.
    """

    def mask(self, x: Any, keep_prob: float) -> Any:
        """Return a number between keep_prob and 1 + keep_prob for each sample."""
        shape = [x.shape[0]] + [1] * (x.ndim - 1)
        return (keep_prob + paddle.rand(shape)).astype(x.dtype)
