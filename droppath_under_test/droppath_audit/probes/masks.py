"""Masks: the decisions of whole calls, in order, where their structure is looked at."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import TimeRanOut
from droppath_audit.probes.inputs import ReusedInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.target import Layer

    Masks = npt.NDArray[np.bool_]


class MaskSource:
    """Draws masks from one layer, call after call.

    Args:
        framework: Operations on its tensors.
        layer: The layer.
        case: Device and the time that there is, which runs from here.
        dtype: Dtype of x.
        features: Features of a sample.
    """

    def __init__(self, framework: Framework, layer: Layer, case: Case, dtype: str, features: tuple[int, ...]) -> None:
        self._framework, self._layer = framework, layer
        self._dtype, self._device, self._features = dtype, case.device, features
        self._inputs: dict[int, ReusedInput] = {}
        self._deadline = time.monotonic() + case.effort.seconds

    def draw(self, calls: int, batch: int) -> Masks:
        """Return which samples were kept, of shape (calls, batch); a sample counts as kept if its first element is.

        Raises:
            TimeRanOut: If the effort's time is up before.
        """
        masks = np.empty((calls, batch), dtype=np.bool_)
        x = self._inputs.get(batch)
        if x is None:
            shape = (batch, *self._features)
            make = partial(self._framework.ones, shape, self._dtype, self._device)
            x = self._inputs[batch] = ReusedInput(self._framework, make)
        for call in range(calls):
            if time.monotonic() > self._deadline:
                raise TimeRanOut(f"time ran out after {call} of {calls} calls with {batch} samples")
            masks[call] = self._framework.kept(self._layer(x.get(), training=True), batch)
        return masks
