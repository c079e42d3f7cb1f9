"""Patterns: how often each possible mask of a few neighbours occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]


def counts_of_patterns(masks: Masks, neighbours: int) -> tuple[int, ...]:
    """Return how many of the disjoint windows show each pattern, the first decision as the highest bit.

    Args:
        masks: Decisions, of shape (calls, batch); what remains at the end of a call is left out.
        neighbours: k, decisions a window.

    Returns:
        2^k counts, their index the pattern.
    """
    windows = masks[:, : masks.shape[1] // neighbours * neighbours].reshape(-1, neighbours)
    patterns = np.zeros(len(windows), np.min_scalar_type(2**neighbours - 1))
    for column in windows.T:
        patterns <<= 1
        patterns |= column
    return tuple(np.bincount(patterns, minlength=2**neighbours).tolist())


def probabilities_of_patterns(counts: npt.NDArray[Any]) -> Floats:
    """Return the probability of each pattern of independent decisions with the keep frequency that was counted.

    Args:
        counts: 2^k counts as ``counts_of_patterns`` gives them, at least one of them positive.
    """
    neighbours = len(counts).bit_length() - 1
    kept = np.array([pattern.bit_count() for pattern in range(len(counts))])
    share = float(kept @ counts) / (neighbours * counts.sum())
    return np.asarray(share**kept * (1.0 - share) ** (neighbours - kept))
