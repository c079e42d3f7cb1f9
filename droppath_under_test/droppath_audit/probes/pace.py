"""How slow a target is: whether a call with many samples would use up the time that a trial has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.restoring import restored

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.case import AnyCase
    from droppath_audit.frameworks.target import Target

PROBED = 64  # samples of a call that is timed
FAST = 1e-6  # seconds a sample, above which a target is slow; a usual one takes a hundredth in large batches
SLOW_CALLS = 3  # timed before a target is believed to be slow: a first call prepares, and others are interrupted
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
            layer, x = target.make(0.5), target.framework.ones(shape(PROBED), dtype, at.device)
            each = min(_timed(lambda: layer(x, training=True)) for _ in range(2)) / PROBED
            if each > FAST:
                each = min(each, *(_timed(lambda: layer(x, training=True)) / PROBED for _ in range(SLOW_CALLS - 1)))
        except TargetRaised:
            return 0
    return 0 if each <= FAST else max(1, int(at.effort.seconds * PART / each))


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
