"""Configurations around a number in the target's own code, which is where code changes its mind."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter, prod
from typing import TYPE_CHECKING

from droppath_audit.core.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.facts import Facts

MOST = 2**22  # elements of x: 16 MiB in float32
MOST_CALLS = 2**12  # made before the one that is looked at
MOST_NUMBERS = 24  # of a target's code that are tried, those nearest to the target first
LEAST = 3  # below which a number is no size that other calls do not have
NEAR = 0.01  # of a probability, in relation to it
INSIDE = (0.1, 0.9)  # where numbers must be drawn
SEVERAL = 8  # samples of which each is decided for itself
MANY = 67  # samples of which some are left over, in whatever parts they are taken
BYTES = 4  # of a float32


def tried(facts: Facts) -> tuple[float, ...]:
    """Return the numbers of a target's code that may be a size, a number of calls or a probability."""
    sizes = dict.fromkeys(abs(number) for number in facts.numbers)
    return tuple(number for number in sizes if 0.0 < number < 1.0 or _is_size(number))[:MOST_NUMBERS]


def _is_size(number: float) -> bool:
    return number.is_integer() and LEAST <= number <= BYTES * MOST


def around(constant: float, facts: Facts, dtype: str, rng: np.random.Generator) -> Iterator[Configuration]:
    """Yield configurations of at most ``MOST`` elements around a number.

    A size is tried as number of samples, of elements, of bytes, as length of an axis and as number of calls, at c - 1,
    c and c + 1. A probability is tried as drop_prob and as keep_prob, one float step and 1 % on either side.

    Args:
        constant: A number that `tried` returns.
        facts: The target.
        dtype: Of x.
        rng: Draws the drop_prob of what is tried for its size, and whether a gradient is asked for.
    """
    usual = facts.fixed_shape[1:] if facts.fixed_shape is not None else ()
    gradients = "Autograd" in facts.capabilities
    plain = Configuration(features=usual or (4,), batch=SEVERAL, dtype=dtype, tracked=gradients)
    if 0.0 < constant < 1.0:
        yield from (replace(plain, drop_prob=p) for p in _rates(constant))
        return
    size = int(constant)
    shapes = _shapes(size) if facts.fixed_shape is None else _samples(size, usual)
    for shape in dict.fromkeys(shapes):
        if prod(shape) <= MOST and (not facts.ranks or len(shape) in facts.ranks):
            drop_prob, drawn = float(rng.uniform(*INSIDE)), bool(rng.random() < 0.5)
            one = replace(plain, features=shape[1:], batch=shape[0], drop_prob=drop_prob)
            # Beyond a size both are tried: what works in parts often does so where no graph is in its way.
            for tracked in (True, False) if shape[0] == MANY and len(shape) == 2 else (drawn,):
                yield replace(one, tracked=gradients and tracked)
    if size <= MOST_CALLS:
        yield from (replace(plain, calls=calls) for calls in (size + 1, size - 1))  # beyond it, and over it


def _rates(constant: float) -> Iterator[float]:
    """Yield drop_prob around a number and around what is left of 1."""
    below, above = nextafter(constant, -inf), nextafter(constant, inf)
    for near in (constant, below, above, constant * (1.0 - NEAR), constant * (1.0 + NEAR)):
        yield from (rate for rate in (near, 1.0 - near) if 0.0 < rate < 1.0)


def _shapes(size: int) -> Iterator[tuple[int, ...]]:
    """Yield shapes of x that have a size in some way."""
    for near in (size - 1, size, size + 1):
        yield near, 3  # samples
        yield _several(near)
        yield from ((SEVERAL, near), (3, 2, near), (3, near, 2), (2, near, 2, 2), (2, 2, 2, near))
    yield from ((MANY, 2, size), (MANY, size, 2), (MANY, size, 2, 2))
    yield MANY, size // MANY + 1  # as many elements, and a few more
    for near in (size // BYTES - 1, size // BYTES, size // BYTES + 1):
        if near >= LEAST:
            yield _several(near)
    yield MANY, size // BYTES // MANY + 1


def _samples(size: int, features: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield shapes of x that have a size in some way, where a sample's is fixed."""
    each = max(1, prod(features))
    for about in (size, size // each, size // each // BYTES):
        for near in (about - 1, about, about + 1):
            if near >= 1:
                yield near, *features


def _several(elements: int) -> tuple[int, int]:
    """Return samples and features of so many elements, of several samples where their number can be divided."""
    batch = next((each for each in range(SEVERAL, 1, -1) if elements % each == 0), 1)
    return batch, elements // batch
