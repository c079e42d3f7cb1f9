"""Bisection over monotone conditions, for roots that have no closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def first_integer(holds: Callable[[int], bool], guess: int) -> int:
    """Return the smallest positive integer at which ``holds`` is true.

    Args:
        holds: A condition that is false up to some integer and true from then on; it must become true.
        guess: Where to begin; only the time taken depends on it.
    """
    high = max(guess, 1)
    while not holds(high):
        high *= 2
    low = high // 2
    while low and holds(low):
        low, high = low // 2, low
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def first_real(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the point of (low, high] where ``holds`` becomes true; ``high`` where it never does.

    Args:
        holds: A condition that is false up to some point and true from then on.
        low: Lower end; not evaluated.
        high: Upper end; not evaluated. Swapping the ends searches downwards. The result is exact to the last
            bit.
    """
    while True:
        middle = low + (high - low) / 2.0
        if middle in (low, high):
            return high
        if holds(middle):
            high = middle
        else:
            low = middle
