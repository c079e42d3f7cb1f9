"""Streams of 32-bit words from a seed, in NumPy: MT19937 as a CPU draws it, Philox4x32-10 as threads of a GPU do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]

LOW = np.uint64(0xFFFFFFFF)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
INCREMENTS = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10


def mt19937(seed: int, numbers: int, each: int) -> Words:
    """Return consecutive words of MT19937, initialised from the low 32 bits of the seed.

    Returns:
        A uint64 array of shape (numbers, each) with values below 2^32.
    """
    # RandomState keeps the initialisation of the generator's authors, which default_rng does not use.
    raw = np.random.RandomState(seed & 0xFFFFFFFF).randint(0, 2**32, numbers * each, dtype=np.uint64)
    return np.asarray(raw, dtype=np.uint64).reshape(numbers, each)


def philox4x32(counter: Words, key: tuple[int, int]) -> Words:
    """Return Philox4x32-10 of counters (Salmon et al. 2011, SC'11).

    Args:
        counter: Array of shape (n, 4) with values below 2^32, lowest word first.
        key: Two words, the lower first.

    Returns:
        An array of the same shape.
    """
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    shift = np.uint64(32)
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (second >> shift) ^ c1 ^ np.uint64(k0),
            second & LOW,
            (first >> shift) ^ c3 ^ np.uint64(k1),
            first & LOW,
        )
        k0, k1 = (k0 + INCREMENTS[0]) & 0xFFFFFFFF, (k1 + INCREMENTS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def philox(layout: str) -> Callable[[int, int, int], Words]:
    """Return the words of the first draw after seeding, at most one block of 256 threads.

    Thread t has the subsequence t and gets four words at a time. ``strided``: number t uses the first words of
    thread t, so long as there are no more numbers than threads. ``consecutive``: a thread fills neighbours with its
    four words (two for numbers of two words).
    """

    def words(seed: int, numbers: int, each: int) -> Words:
        per_thread = 1 if layout == "strided" else 4 // each
        threads = -(-numbers // per_thread)
        counter = np.zeros((threads, 4), dtype=np.uint64)
        counter[:, 2] = np.arange(threads, dtype=np.uint64)
        drawn = philox4x32(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
        return drawn[:, : per_thread * each].reshape(threads * per_thread, each)[:numbers]

    return words
