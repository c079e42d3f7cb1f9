"""Inputs on which a target can be sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import WriteCounts, has

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.target import Target

# Tried in this order: features of a sample, so that x has shape (B, *features).
FEATURES: tuple[tuple[int, ...], ...] = ((1,), (1, 1, 1), (1, 1), ())

# Of the tensors on which structure is looked at; small enough to hold thousands of them.
WIDE: tuple[tuple[int, ...], ...] = ((12,), (3, 2, 2), (4, 3), ())


class ReusedInput:
    """A tensor for many calls; made anew for each of them once the target was seen to write to it.

    Writing to the input breaks DP004 and is said there; the law of the mask is still worth knowing.

    Args:
        framework: Operations on it.
        make: Returns a tensor of the values wanted.
    """

    def __init__(self, framework: Framework, make: Callable[[], Tensor]) -> None:
        self._framework, self._make, self._counted = framework, make, has(framework, WriteCounts)
        self._tensor = make()
        self._version = self._writes()
        self._clean = framework.bits(self._tensor).copy()
        self._looks = 5  # at all values; frameworks that count writes are asked every time
        self._written = False

    def _writes(self) -> int:
        return 0 if self._counted is None else self._counted.version(self._tensor)

    def get(self) -> Tensor:
        """Return the tensor for the next call."""
        if not self._written:
            self._written = self._writes() != self._version
            if self._looks:
                self._looks -= 1
                self._written |= not np.array_equal(self._framework.bits(self._tensor), self._clean)
        if self._written:
            self._tensor = self._make()
        return self._tensor


def features(target: Target, dtype: str, device: str, *, wide: bool = False) -> tuple[int, ...]:
    """Return the features of a sample on which the target keeps x's shape.

    A layer that works on rank 4 alone breaks DP005, and says so there; the law of its mask is still worth knowing.
    The probe is tiny, because a mask of the wrong rank makes outputs of B² elements.

    Args:
        target: The target; a shape fixed by its SPEC is taken as it is.
        dtype: Dtype of x.
        device: Device of x.
        wide: Ask for several features a sample rather than one.

    Returns:
        The features of the first shape that works.

    Raises:
        TargetRaised: If the target raises on all of them.
        NotApplicable: If it returns another shape on all of them.
    """
    if target.fixed_shape is not None:
        return target.fixed_shape[1:]
    raised: TargetRaised | None = None
    for candidate in WIDE if wide else FEATURES:
        shape = (3, *candidate)
        try:
            output = target.make(0.5)(target.framework.ones(shape, dtype, device), training=True)
            if target.framework.info(output).shape == shape:
                return candidate
        except TargetRaised as error:
            raised = error
    if raised is not None:
        raise raised
    raise NotApplicable("no input was found whose shape the target keeps (see DP005)")
