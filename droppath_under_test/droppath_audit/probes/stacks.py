"""Layers of a stack: which of them drops at the rate that it is given, where each has a share of it by its index."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.probes.inputs import BATCH, features

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Target

LAYERS = 65  # among which the one is looked for
NEARLY_ALL = 1.0 - 2.0**-20  # a drop_prob at which a layer that drops at 64/65 of it keeps some of every 65 decisions
CALLS = 1000  # in which that one, where it decides once a call, keeps less than two samples once in 10^5 runs
HALF = 0.5


def placed(target: Target, dtype: str, device: str) -> tuple[int | None, bool]:
    """Return the first index at which a layer drops at the rate that it is given, and whether there is none.

    The rate of a layer rises with its index, or falls with it: beyond the first it may drop more than it should. Where
    the index has no part in what is dropped, the layer in hand is as good as any, whatever it drops.

    Args:
        target: The layer in hand, to which an argument says which of a stack it is.
        dtype: Dtype of x.
        device: Device of x.

    Returns:
        The index, or None where the layer in hand drops at that rate or no index has a part in it.
    """
    if _drops_nearly_all(target, dtype, device):
        return None, False
    for index in range(LAYERS):
        if _drops_nearly_all(target.at(index), dtype, device):
            return index, False
    masks = {_masks(target.at(index), dtype, device, HALF) for index in (1, 2, LAYERS - 1)}
    return None, len(masks) > 1


def _drops_nearly_all(target: Target, dtype: str, device: str) -> bool:
    """Return whether no more than one call keeps anything."""
    masks = _masks(target, dtype, device, NEARLY_ALL)
    return len(masks) == CALLS and sum(map(any, masks)) <= 1


def _masks(target: Target, dtype: str, device: str, drop_prob: float) -> tuple[tuple[bool, ...], ...]:
    """Return which elements are kept, call by call, up to the second in which any is; none where calls raise."""
    masks: list[tuple[bool, ...]] = []
    with suppress(TargetRaised, NotApplicable):
        shape = (BATCH, *features(target, dtype, device))
        x, layer = target.framework.ones(shape, dtype, device), target.make(drop_prob)
        target.framework.seed(0)
        some = 0
        while len(masks) < CALLS and some < 2:
            kept = target.framework.numpy(layer(x, training=True)) != 0.0
            masks.append(tuple(np.ravel(kept).tolist()))
            some += any(masks[-1])
    return tuple(masks)
