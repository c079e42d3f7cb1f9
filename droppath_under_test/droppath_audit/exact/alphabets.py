"""Alphabets: the values that one random number can take, in order, each with its exact integer weight.

A generator has N equally likely states; a state becomes a number that never decreases with it, and that is scaled to
a range and rounded to a dtype. A rank is a position in the order of what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Values = npt.NDArray[np.float64]
    States = npt.NDArray[np.uint64]


class Alphabet(Protocol):
    """The values that one random number can take, in order, and how many states of the generator give each."""

    @property
    def size(self) -> int:
        """Number of ranks."""

    @property
    def states(self) -> int:
        """Number of equally likely states."""

    def values(self, ranks: npt.NDArray[np.int64]) -> Values:
        """Return the values at these ranks; they never decrease, and neighbours may be equal."""

    def below(self, rank: int) -> int:
        """Return how many states give a rank smaller than this one."""


@dataclass(frozen=True)
class Unit:
    """States and the numbers between 0 and 1 that they become, before any range or rounding.

    Attributes:
        name: In words, for reports.
        states: Their number N.
        number: States to float64 numbers, never decreasing.
    """

    name: str
    states: int
    number: Callable[[States], Values]

    def below(self, limit: float, *, inclusive: bool = False) -> int:
        """Return how many states become a number below ``limit``, or equal to it if ``inclusive``."""

        def beyond(state: int) -> bool:
            value = float(self.number(np.array([state], dtype=np.uint64))[0])
            return value > limit if inclusive else value >= limit

        return _first(beyond, self.states)


def _first(holds: Callable[[int], bool], size: int) -> int:
    """Return the first of the integers below ``size`` at which a monotone condition holds; ``size`` if none."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Continuous:
    """``low + number * (high - low)`` in a dtype, the upper end replaced by the lower; a rank a state.

    Attributes:
        unit: The states.
        dtype: Of the numbers drawn.
        low: Lower end.
        high: Upper end.
        replaced: States at the upper end; if there are any, rank 0 is theirs.
    """

    unit: Unit
    dtype: str
    low: float
    high: float
    replaced: int

    @property
    def states(self) -> int:
        """Number of states."""
        return self.unit.states

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.unit.states - self.replaced + bool(self.replaced)

    def values(self, ranks: npt.NDArray[np.int64]) -> Values:
        """Return the values at these ranks."""
        states = np.maximum(ranks - bool(self.replaced), 0).astype(np.uint64)
        values = scaled(self.unit, self.dtype, self.low, self.high, states)
        return np.where(ranks == 0, round_to(self.low, self.dtype), values) if self.replaced else values

    def below(self, rank: int) -> int:
        """Return the number of states of smaller rank."""
        return rank if not self.replaced or rank == 0 else self.replaced + rank - 1


@dataclass(frozen=True, eq=False)
class Listed:
    """An alphabet that is small enough to be written down.

    Attributes:
        letters: The distinct values, ascending.
        weights: States that give each, at least 1.
        states: Their sum.
    """

    letters: Values
    weights: tuple[int, ...]
    states: int

    @property
    def size(self) -> int:
        """Number of ranks."""
        return len(self.weights)

    def values(self, ranks: npt.NDArray[np.int64]) -> Values:
        """Return the values at these ranks."""
        return self.letters[ranks]

    def below(self, rank: int) -> int:
        """Return the number of states of smaller rank."""
        return sum(self.weights[:rank])


@dataclass(frozen=True)
class Remainders:
    """``low + word mod (high - low)``: the first ``states mod range`` values have one state more than the others."""

    states: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.high - self.low

    def values(self, ranks: npt.NDArray[np.int64]) -> Values:
        """Return the values at these ranks."""
        return (ranks + self.low).astype(np.float64)

    def below(self, rank: int) -> int:
        """Return the number of states of smaller rank."""
        whole, rest = divmod(self.states, self.size)
        return rank * whole + min(rank, rest)


def scaled(unit: Unit, dtype: str, low: float, high: float, states: States) -> Values:
    """Return the numbers of these states in [low, high], in the arithmetic that the dtype is drawn in."""
    numbers = unit.number(states)
    if (low, high) == (0.0, 1.0):
        return round_to(numbers, dtype)
    if dtype == "float64":
        return np.asarray(numbers * (high - low) + low)
    # One rounding to float32 for product and sum, as a fused multiply-add has; in float64 both are exact.
    low, high = (float(end) for end in round_to([low, high], "float32"))
    fused = numbers * float(np.float32(high - low)) + low
    return round_to(round_to(fused, "float32"), dtype)


@cache
def continuous(unit: Unit, dtype: str, low: float, high: float) -> Alphabet:
    """Return the alphabet of a uniform draw; for 16-bit dtypes on [0, 1) each value stands once, with its weight."""
    upper = float(round_to(high, dtype))

    def at_the_end(state: int) -> bool:
        return bool(scaled(unit, dtype, low, high, np.array([state], dtype=np.uint64))[0] >= upper)

    replaced = unit.states - _first(at_the_end, unit.states)
    if (low, high) != (0.0, 1.0) or dtype not in ("float16", "bfloat16"):
        return Continuous(unit, dtype, low, high, replaced)
    letters = _numbers_below_one(dtype)
    up_to = _states_up_to(unit, dtype, letters)
    weights = np.diff(up_to, prepend=0)
    weights[0] += replaced
    given = weights > 0
    return Listed(letters[given], tuple(int(weight) for weight in weights[given]), unit.states)


def _numbers_below_one(dtype: str) -> Values:
    """Return 0 and the numbers of a 16-bit dtype from 2^-34 up to, not including, 1."""
    precision = FORMATS[dtype].precision
    smallest = max(-34, FORMATS[dtype].min_exponent - precision + 1)
    significands = 2 ** (precision - 1) + np.arange(2 ** (precision - 1))
    exponents = np.arange(smallest, 0)
    every = significands[None, :] * np.exp2(exponents[:, None].astype(np.float64) - (precision - 1))
    return np.unique(np.concatenate([[0.0], round_to(every.ravel(), dtype)]))


def _states_up_to(unit: Unit, dtype: str, values: Values) -> npt.NDArray[np.int64]:
    """Return, for each value, how many states are rounded to it or to a smaller one, by bisection over states."""
    low, high = np.zeros(values.size, dtype=np.int64), np.full(values.size, unit.states, dtype=np.int64)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        above = round_to(unit.number(np.minimum(middle, unit.states - 1).astype(np.uint64)), dtype) > values
        high = np.where(open_ & above, middle, high)
        low = np.where(open_ & ~above, middle + 1, low)
    return low
