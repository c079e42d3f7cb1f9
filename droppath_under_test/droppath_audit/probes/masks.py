"""Masks: the decisions of whole calls, in order, where their structure is looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import TimeRanOut
from droppath_audit.probes.clock import Clock
from droppath_audit.probes.inputs import ReusedInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.clock import Turn

    Masks = npt.NDArray[np.bool_]


class MaskSource:
    """Draws masks from one layer, call after call.

    Args:
        framework: Operations on its tensors.
        layer: The layer.
        case: Device.
        dtype: Dtype of x.
        features: Features of a sample.
        clock: The time that there is; by default the effort's, which runs from here.
    """

    def __init__(
        self,
        framework: Framework,
        layer: Layer,
        case: Case,
        dtype: str,
        features: tuple[int, ...],
        *,
        clock: Clock | None = None,
    ) -> None:
        self._framework, self._layer = framework, layer
        self._dtype, self._device, self._features = dtype, case.device, features
        self._inputs: dict[int, ReusedInput] = {}
        self._clock = Clock(case.effort.seconds) if clock is None else clock

    def draw(self, calls: int, batch: int, time: Turn | None = None) -> Masks:
        """Return which samples were kept, of shape (calls, batch); a sample counts as kept if its first element is.

        Args:
            calls: Calls wanted; fewer are made where time runs out, one at least.
            batch: Samples of a call.
            time: What the calls may take; by default half of what is left.

        Raises:
            TimeRanOut: If there is no time for a call.
        """
        time = self._clock.part() if time is None else time
        masks = np.empty((calls, batch), dtype=np.bool_)
        x = self._inputs.get(batch)
        if x is None:
            shape = (batch, *self._features)
            make = partial(self._framework.ones, shape, self._dtype, self._device)
            x = self._inputs[batch] = ReusedInput(self._framework, make)
        for call in range(calls):
            if time.over():
                if not call:
                    raise TimeRanOut(f"time ran out before the first of {calls} calls with {batch} samples")
                return masks[:call]
            masks[call] = self._framework.kept(self._layer(x.get(), training=True), batch)
        return masks
