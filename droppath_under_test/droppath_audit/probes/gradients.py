"""Backward passes through a target, by the dialect's idea of what a dropped branch is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Autograd, Checkpointing, Gradient, ask

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer, Target

UNREACHED = "the gradient does not reach x in the first place (see DP401)"


def require_gradient(target: Target, drop_prob: float, x: Tensor) -> None:
    """Make sure that a gradient of x comes at all.

    Raises:
        NotApplicable: If none does.
        TargetRaised: Whatever the target raises.
    """
    if gradient_of(target, target.make(drop_prob), x, x).gradient is None:
        raise NotApplicable(UNREACHED)


def apart(target: Target, result: Gradient) -> npt.NDArray[np.bool_]:
    """Return where output and gradient do not tell one mask, for an x and a cotangent that are nowhere zero."""
    dropped, without = (target.framework.numpy(tensor) == 0 for tensor in (result.output, result.gradient))
    differ: npt.NDArray[np.bool_] = dropped != without
    return differ


def gradient_of(target: Target, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
    """Run ``layer`` on ``x`` in training and the backward pass from ``cotangent``.

    Raises:
        NotApplicable: If the framework has no gradients.
        TargetRaised: Whatever the target raises.
    """
    return _with_skipped(target, x, ask(target.framework, Autograd).gradient(layer, x, cotangent))


def checkpointed_gradient_of(target: Target, layer: Layer, x: Tensor, cotangent: Tensor, how: str) -> Gradient:
    """Run the same under activation checkpointing, in one of the framework's ways.

    Raises:
        NotApplicable: If the framework has no checkpointing.
        TargetRaised: Whatever the target raises.
    """
    return _with_skipped(target, x, ask(target.framework, Checkpointing).checkpointed(layer, x, cotangent, how))


def _with_skipped(target: Target, x: Tensor, result: Gradient) -> Gradient:
    """Return the result; where the dialect skips a dropped branch, nothing of which is in the output, with zeros."""
    framework = target.framework
    if result.gradient is not None or not target.dialect.skips_branch or np.any(framework.numpy(result.output) != 0):
        return result
    info = framework.info(x)
    return Gradient(result.output, framework.tensor(np.zeros(info.shape), info.dtype, info.device), "")
