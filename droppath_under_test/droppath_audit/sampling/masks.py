"""Masks: the decisions of whole calls, in order, where their structure is looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import TimeRanOut
from droppath_audit.sampling.inputs import features

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.core.target import Target

    Masks = npt.NDArray[np.bool_]


LOOKS = 4  # calls after which x is looked at; one that is written to later than that is not known


class MaskSource:
    """Draws masks from one instance of a target, call after call.

    Args:
        target: The target.
        case: Device, dtype and drop_prob.
    """

    def __init__(self, target: Target, case: Case) -> None:
        if case.dtype is None or case.drop_prob is None:
            raise ValueError(f"masks are drawn at a dtype and a drop_prob; {case.slug} lacks one")
        self._framework, self._layer = target.framework, target.make(case.drop_prob)
        self._dtype, self._device = case.dtype, case.device
        self._features = features(target, case.dtype, case.device)
        self._deadline = time.monotonic() + case.effort.seconds

    def draw(self, calls: int, batch: int) -> Masks:
        """Return which samples were kept, of shape (calls, batch); a sample counts as kept if its first element is.

        Raises:
            TimeRanOut: If the effort's time is up before.
        """
        shape = (batch, *self._features)
        masks = np.empty((calls, batch), dtype=np.bool_)
        x = self._framework.ones(shape, self._dtype, self._device)
        clean = self._framework.bits(x).copy()
        written = False
        for call in range(calls):
            if time.monotonic() > self._deadline:
                raise TimeRanOut(f"time ran out after {call} of {calls} calls with {batch} samples")
            output = self._framework.numpy(self._layer(x, training=True))
            masks[call] = output.reshape(batch, -1)[:, 0] != 0
            # A target that writes to its input breaks DP004, not the law of its mask.
            written = written or (call < LOOKS and not np.array_equal(self._framework.bits(x), clean))
            if written:
                x = self._framework.ones(shape, self._dtype, self._device)
        return masks
