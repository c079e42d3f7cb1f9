"""Seeds of random keys, split from the one that a framework was seeded with."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = 2**32  # all that torch's generator on the CPU takes of a seed


class KeySeeds:
    """Successive whole numbers below 2^32 from one that the seed says, so that no two keys of a seed are alike.

    A seed repeats them; those of another begin somewhere else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seed, self.taken = 0, 0
        self._first: int | None = None

    def seed(self, seed: int) -> None:
        """Begin anew."""
        self._seed, self._first, self.taken = seed, None, 0

    def next(self) -> int:
        """Return the seed of the next key."""
        with self._lock:
            first = self._first
            if first is None:  # only where keys are asked for: it costs more than seeding does
                first = self._first = int(np.random.SeedSequence(self._seed % 2**64).generate_state(1)[0])
            self.taken += 1
            return (first + self.taken) % SEEDS

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore what was taken, and from which seed, on leaving."""
        before = self._seed, self._first, self.taken
        try:
            yield
        finally:
            self._seed, self._first, self.taken = before
