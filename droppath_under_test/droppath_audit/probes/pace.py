"""How slow a target is: whether a call with many samples would use up the time that a trial has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.restoring import restored
from droppath_audit.probes.clock import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.case import AnyCase
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer, Target

PROBED = (64, 512)  # samples of calls that are timed: what a call costs whatever its size is no matter of samples
FAST = 1e-6  # seconds a sample, above which a target is slow; a usual one takes a hundredth in large batches
TRIES = 3  # calls of either size, of which the fastest counts: a first call prepares, and others are interrupted
PART = 1 / 16  # of a trial's time, which one call may take


def samples_in_time(target: Target, shape: Callable[[int], tuple[int, ...]], dtype: str, at: AnyCase) -> int:
    """Return the samples of a call that takes a sixteenth of a trial's time; 0 for any number, where calls are fast.

    It is a fresh layer that is timed, and every generator is as before afterwards: how many calls that takes changes no
    mask.

    Args:
        target: The target.
        shape: Returns the shape of a batch.
        dtype: Dtype of x.
        at: Device, and the time that a trial has.
    """
    with restored(target.framework):
        try:
            layer = target.make(0.5)
            inputs = [target.framework.ones(shape(samples), dtype, at.device) for samples in PROBED]
            few, many = (min(_timed(layer, x) for _ in range(TRIES)) for x in inputs)
        except TargetRaised:
            return 0
    each = (many - few) / (PROBED[1] - PROBED[0])
    return 0 if each <= FAST else max(1, int(at.effort.seconds * PART / each))


def _timed(layer: Layer, x: Tensor) -> float:
    watch = Stopwatch()
    layer(x, training=True)
    return watch.seconds
