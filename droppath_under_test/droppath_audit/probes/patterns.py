"""Patterns: how often each possible mask of a few neighbours occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]


def counts_of_patterns(masks: Masks, neighbours: int) -> list[int]:
    """Return how many of the disjoint windows show each pattern, the first decision as the highest bit.

    Args:
        masks: Decisions, of shape (calls, batch); what remains at the end of a call is left out.
        neighbours: k, decisions a window.

    Returns:
        2^k counts, their index the pattern.
    """
    windows = masks[:, : masks.shape[1] // neighbours * neighbours].reshape(-1, neighbours)
    bits = 2 ** np.arange(neighbours - 1, -1, -1)
    counts: list[int] = np.bincount(windows @ bits, minlength=2**neighbours).tolist()
    return counts


def probabilities_of_patterns(counts: npt.NDArray[Any]) -> Floats:
    """Return the probability of each pattern of independent decisions with the keep frequency that was counted.

    Args:
        counts: 2^k counts as ``counts_of_patterns`` gives them, at least one of them positive.
    """
    neighbours = len(counts).bit_length() - 1
    kept = np.array([pattern.bit_count() for pattern in range(len(counts))])
    share = float(kept @ counts) / (neighbours * counts.sum())
    return np.asarray(share**kept * (1.0 - share) ** (neighbours - kept))


def shown_patterns(masks: str, neighbours: int) -> list[str]:
    """Return the lines of a snippet that fail where the patterns in a list of masks are not those of independent ones.

    Args:
        masks: Name of a list with a list of truth values for each call.
        neighbours: k.
    """
    columns = ", ".join(f"mask[{i}:end:{neighbours}]" for i in range(neighbours))
    return [
        "from collections import Counter",
        "from itertools import product",
        "counts = Counter()",
        f"for mask in {masks}:",
        f"    end = len(mask) // {neighbours} * {neighbours}",
        f"    counts.update(zip({columns}))",
        "n = sum(counts.values())",
        f"q = sum(sum(pattern) * count for pattern, count in counts.items()) / n / {neighbours}",
        f"patterns = list(product((False, True), repeat={neighbours}))",
        f"expected = [n * q ** sum(pattern) * (1 - q) ** ({neighbours} - sum(pattern)) for pattern in patterns]",
        "for pattern, e in zip(patterns, expected):",
        "    print(*map(int, pattern), 'came', counts[pattern], 'times, expected', round(e))",
        "chi_square = sum((counts[pattern] - e) ** 2 / e for pattern, e in zip(patterns, expected))",
        "assert chi_square < 90  # 14 degrees of freedom: one run in 10^12 of independent decisions",
    ]
