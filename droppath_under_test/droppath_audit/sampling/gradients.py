"""One backward pass through a target, by the dialect's idea of what a dropped branch is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.target import Gradient

if TYPE_CHECKING:
    from droppath_audit.core.target import Layer, Target, Tensor


def gradient_of(target: Target, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
    """Run ``layer`` on ``x`` in training and the backward pass from ``cotangent``.

    Where the dialect skips a dropped branch, a dropped call whose graph does not reach x has a gradient of zeros: the
    branch was not run, and nothing of it has a share in the output.

    Raises:
        TargetRaised: Whatever the target raises.
    """
    framework = target.framework
    result = framework.gradient(layer, x, cotangent)
    if result.gradient is not None or not target.dialect.skips_branch or np.any(framework.numpy(result.output) != 0):
        return result
    info = framework.info(x)
    return Gradient(result.output, framework.tensor(np.zeros(info.shape), info.dtype, info.device), "")
