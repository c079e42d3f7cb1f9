"""Work of a device that is recorded once and replayed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer


class Replaying(Capability):
    """Records what a call makes a device do, and does it again without the Python code that asked for it."""

    lacking = "records no work of a device"

    @abstractmethod
    def recorded(self, layer: Layer, x: Tensor, *, training: bool) -> Callable[[], Tensor]:
        """Record a call.

        Returns:
            What replays it and returns a copy of its output.

        Raises:
            NotApplicable: If the framework cannot record on x's device, or not what this call does, with its reason.
        """
