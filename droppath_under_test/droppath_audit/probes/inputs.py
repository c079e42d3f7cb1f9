"""Inputs on which a target can be sampled."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import Compiling, WriteCounts, has
from droppath_audit.frameworks.restoring import restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.target import Target

# Tried in this order: features of a sample, so that x has shape (B, *features).
FEATURES: tuple[tuple[int, ...], ...] = ((1,), (1, 1, 1), (1, 1), (), (1, 1, 1, 1))

# Of the tensors on which structure is looked at; small enough to hold thousands of them.
WIDE: tuple[tuple[int, ...], ...] = ((12,), (3, 2, 2), (4, 3), (), (2, 2, 1, 2))

# Of a first call: no size of a feature, or a mask of the wrong rank would happen to fit.
BATCH = 5
CALLS = 8  # in which a target that skips what it wraps skips every time once in 2^8


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
        self._clean = framework.bits(self._tensor)
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
        target: The target. Of a shape that its SPEC fixes the rank is kept, and of the sizes as many are reduced as the
            target takes: what is counted in large numbers costs as many elements as a sample has.
        dtype: Dtype of x.
        device: Device of x.
        wide: Ask for several features a sample rather than one.

    Returns:
        The features of the first shape that works; those of the SPEC are not asked for, but taken as they are.

    Raises:
        TargetRaised: If the target raises on all of them.
        NotApplicable: If it returns another shape on all of them.
    """
    if target.fixed_shape is not None:
        declared = target.fixed_shape[1:]
        found, _ = first_taken(target, _reduced(declared, 2 if wide else 1), dtype, device)
        return declared if found is None else found
    channels = [shape for n in target.sizes for shape in ((n,), (2, n), (n, 2, 2), (2, 2, n), (n, 2, 2, 2))]
    found, raised = first_taken(target, (*(WIDE if wide else FEATURES), *channels), dtype, device)
    if found is not None:
        return found
    if raised is not None:
        raise raised
    raise NotApplicable("no input was found whose shape the target keeps (see DP005)")


def _reduced(declared: tuple[int, ...], least: int) -> Iterator[tuple[int, ...]]:
    """Yield features of the same rank and fewer elements, fewest first: any axes reduced to ``least``."""
    choices = product(*({min(size, least), size} for size in declared))
    return (smaller for smaller in sorted(choices, key=lambda sizes: (prod(sizes), sizes)) if smaller != declared)


def first_taken(
    target: Target, candidates: Iterable[tuple[int, ...]], dtype: str, device: str
) -> tuple[tuple[int, ...] | None, TargetRaised | None]:
    """Return the first features whose shape the target keeps, or None and what it raised last.

    To return nothing is to raise, as whoever uses it does. Shapes that cannot be given to it at all are left out.
    """
    raised: TargetRaised | None = None
    for candidate in candidates:
        shape = (BATCH, *candidate)
        if not target.takes(shape):
            continue
        try:
            x = target.framework.ones(shape, dtype, device)
            y = target.make(0.5)(x, training=True)
            if target.framework.info(y).shape == shape and (_changed(target, x, y) or _whatever_is_drawn(target, x)):
                return candidate, None
        except TargetRaised as error:
            raised = error
        except TypeError as error:  # so says the framework of what is no tensor of its own
            raised = raised or TargetRaised("TypeError", str(error))
    return None, raised


def _changed(target: Target, x: Tensor, y: Tensor) -> bool:
    """Return whether x did not come back as it was, so that it was not merely passed by."""
    bits = target.framework.bits
    return not np.array_equal(bits(x), bits(y))


def _whatever_is_drawn(target: Target, x: Tensor) -> bool:
    """Return whether x is taken, and not merely passed by: what skips a block takes whatever the block cannot.

    Raises:
        TargetRaised: What the block raises.
    """
    framework = target.framework
    compiling = has(framework, Compiling)
    if compiling is not None and compiling.tried():
        return True  # another mode is another program, whose compilation takes longer than all trials
    if not target.runs_branch and target.evaluates:
        with suppress(TargetRaised):  # evaluation runs all of it; one that is wrong by itself is other checks' to blame
            if _keeps_the_shape(target, x, training=False):
                return True
    with restored(framework):
        for seed in range(CALLS):
            framework.seed(seed)
            if not _keeps_the_shape(target, x):
                return False
    return True


def _keeps_the_shape(target: Target, x: Tensor, *, training: bool = True) -> bool:
    info, y = target.framework.info, target.make(0.5)(x, training=training)
    return info(y).shape == info(x).shape
