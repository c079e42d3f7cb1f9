"""``drop_connect`` as EfficientNet ports print it: a four-dimensional mask, and no shortcut for drop_prob = 0."""

from __future__ import annotations

import torch
from torch import Tensor


def drop_connect(inputs: Tensor, drop_connect_rate: float, training: bool) -> Tensor:
    """Drop samples of images by a mask of shape (B, 1, 1, 1).

    What an audit says of it: on anything but rank 4 the mask broadcasts, so that (16, 4) becomes (16, 1, 16, 4)
    (DP005, DP104, DP304). At drop_prob = 0, floor(1 + u) is 2 where u rounds up to 1, which doubles one sample in 256
    in bfloat16 (DP002). keep_prob = 0 gives NaN (DP301, DP302), and the law of the mask is biased in bfloat16 (DP101,
    DP102).
    """
    if not training:
        return inputs
    keep_prob = 1.0 - drop_connect_rate
    mask = torch.rand((inputs.shape[0], 1, 1, 1), dtype=inputs.dtype, device=inputs.device)
    mask = torch.floor(mask + keep_prob)
    return inputs / keep_prob * mask
