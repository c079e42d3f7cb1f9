"""The standard grid of dtypes and drop probabilities, and the cases on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.effort import Effort

DTYPES = ("float64", "float32", "float16", "bfloat16")

# Asymmetric around 1/2, where a swap of keep and drop would be invisible.
DROP_PROBS = (0.0, 0.002, 0.1, 0.3, 0.5, 0.9, 0.998, 1.0)
INTERIOR = DROP_PROBS[1:-1]


def per_dtype(device: str, effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype."""
    return (Case(device, dtype, effort=effort) for dtype in DTYPES)


def per_cell(device: str, effort: Effort, drop_probs: Sequence[float] = DROP_PROBS) -> Iterator[Case]:
    """Yield a case for each dtype and drop_prob."""
    return (Case(device, dtype, p, effort=effort) for dtype in DTYPES for p in drop_probs)
