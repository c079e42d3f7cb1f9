"""Hypothesis strategies for inputs of a DropPath: shapes, layouts, values, drop probabilities, modes.

Hypothesis draws structure and integer seeds; values come from NumPy generators seeded by those. Frequencies are
never tested inside a Hypothesis test: its examples are not independent draws. It is imported where it is used: it takes
a fifth of a second, for which neither a plan nor the first trial of an audit need wait.
"""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hypothesis import strategies as st

LARGEST = 4096  # elements of one generated tensor
# Half of them from 1 to 6 alike, half of them these: one choice costs Hypothesis a third of what two cost.
SIZES = (1, 2, 3, 4, 5, 6) * 5 + (1, 1, 2, 17, 0) * 6
DECLARED = 2**15  # of one with the samples that a SPEC declares, where two of these are not more
SELDOM = 16  # generated calls of which one has these, where the target takes smaller ones
SPECIAL = 40  # samples of the x with special values that is always tried


@dataclass(frozen=True)
class Example:
    """One generated call.

    Attributes:
        shape: Shape of x, of rank 1 to 8; sizes 0 and 1 included.
        layout: Strides of x, by the framework's name for them.
        drop_prob: p, its ends and their neighbours included.
        training: The mode.
        gradient: Whether the backward pass is run too.
        special: Whether x holds signed zeros, subnormals, the largest number, infinities and NaN.
        seed: Seed of the values and of the target's generator.
    """

    shape: tuple[int, ...]
    layout: str
    drop_prob: float
    training: bool
    gradient: bool
    special: bool
    seed: int


def shapes(fixed: tuple[int, ...] | None, smaller: tuple[int, ...] | None = None) -> st.SearchStrategy[tuple[int, ...]]:
    """Return shapes of rank 1 to 8 with sizes from 0 on; of a shape fixed by a SPEC only the batch varies.

    Args:
        fixed: That shape, if there is one.
        smaller: Features of a smaller sample that the target takes, which most calls then have.
    """
    from hypothesis import strategies as st

    if fixed is not None:
        declared = st.integers(1, _batch(fixed)).map(lambda batch: (batch, *fixed[1:]))
        if smaller is None or smaller == fixed[1:]:
            return declared
        reduced = st.integers(1, 16).map(lambda batch: (batch, *smaller))
        return st.integers(1, SELDOM).flatmap(lambda number: declared if number == SELDOM else reduced)
    return st.lists(st.sampled_from(SIZES), min_size=1, max_size=8).map(_bounded)


def _bounded(sizes: list[int]) -> tuple[int, ...]:
    """Return as many of the sizes as make no tensor of more than LARGEST elements."""
    # Not a filter, which Hypothesis examines anew for every example, and whose rejects are paid for as well.
    most = next(rank for rank in range(len(sizes), 0, -1) if math.prod(sizes[:rank]) <= LARGEST)
    return tuple(sizes[:most])


def _batch(fixed: tuple[int, ...]) -> int:
    """Return the largest batch of samples of a fixed shape: 16, or fewer where they are large."""
    return min(16, max(2, DECLARED // max(1, math.prod(fixed[1:]))))


def drop_probs() -> st.SearchStrategy[float]:
    """Return drop probabilities in [0, 1], often at and next to the ends."""
    from hypothesis import strategies as st

    ends = (0.0, 5e-324, 1e-7, 1e-3, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0 - 1e-7, 1.0 - 2.0**-53, 1.0)
    return st.one_of(st.sampled_from(ends), st.floats(0.0, 1.0))


def landmarks(
    fixed: tuple[int, ...] | None, *, gradients: bool, smaller: tuple[int, ...] | None = None
) -> tuple[Example, ...]:
    """Return the calls that are always tried first.

    Empty batch, empty features, rank 1, rank 4, both ends of p; and x with special values, enough of each to meet both
    fates.

    Args:
        fixed: The shape that the SPEC fixes, if it does.
        gradients: Whether backward passes are run.
        smaller: Features of a smaller sample that the target takes, on which the ends of p are tried then.
    """
    features: tuple[tuple[int, ...], ...] = ((3,), (0,), (), (2, 3, 3)) if fixed is None else (smaller or fixed[1:],)
    calls = [((4, *feature), p) for feature in features for p in (0.0, 0.3, 1.0)]
    calls += [((0, *feature), 0.3) for feature in features]
    if fixed is not None and features != (fixed[1:],):
        calls += [((min(4, _batch(fixed)), *fixed[1:]), 0.3)]
    plain = [Example(shape, "contiguous", p, True, gradients, False, seed) for seed, (shape, p) in enumerate(calls)]
    batch = SPECIAL if fixed is None else _batch(fixed)
    return (*plain, Example((batch, *features[0]), "contiguous", 0.3, True, False, True, len(plain)))


def examples(
    layouts: Sequence[str],
    fixed: tuple[int, ...] | None,
    *,
    evaluates: bool,
    gradients: bool,
    refuses_keep_prob_zero: bool,
    smaller: tuple[int, ...] | None = None,
) -> st.SearchStrategy[Example]:
    """Return generated calls for a target with these layouts, shape and modes, with backward passes or without."""
    from hypothesis import strategies as st

    probabilities = drop_probs()
    if refuses_keep_prob_zero:
        probabilities = probabilities.filter(lambda p: p < 1.0)
    return st.builds(
        Example,
        shape=shapes(fixed, smaller),
        layout=st.sampled_from(tuple(layouts)),
        drop_prob=probabilities,
        training=st.sampled_from((True, False)) if evaluates else st.just(True),
        gradient=st.booleans() if gradients else st.just(False),
        special=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
    )


def _no_mutations(_runner: object, _data: object) -> None:
    pass


@contextmanager
def alone() -> Iterator[None]:
    """Let Hypothesis neither read nor write its surroundings: what it generates follows from the seed alone.

    It writes a folder even without a database; and it takes constants from the source of whatever modules lie in the
    working directory, so that examples would change with unrelated edits and with what happens to be imported.
    """
    from hypothesis.internal.cache import LRUCache
    from hypothesis.internal.conjecture import engine, providers
    from hypothesis.internal.constants_ast import Constants

    name = "HYPOTHESIS_STORAGE_DIRECTORY"
    before = os.environ.get(name)
    with (
        TemporaryDirectory() as folder,
        mock.patch.object(providers, "_get_local_constants", Constants, create=True),
        # In which earlier runs of Hypothesis in this process left what they found.
        mock.patch.object(providers, "CONSTANTS_CACHE", LRUCache(1024), create=True),
        # Copying one part of an example over another takes as long again as making a new one, which says more.
        mock.patch.object(engine.ConjectureRunner, "generate_mutations_from", _no_mutations, create=True),
    ):
        os.environ[name] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
