"""Covering arrays: a few rows in which any values of any two, or three, factors meet.

Greedy, one row at a time, as in AETG (Cohen, Dalal, Fredman and Patton, "The AETG system: an approach to testing based
on combinatorial design", IEEE Transactions on Software Engineering 23(7), 1997): a row begins with a combination that
no row holds yet, the other factors follow in random order, each with a value that adds most; the best of a few such
rows is taken.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import numpy as np

    Row = dict[str, str]

CANDIDATES = 6  # rows that are tried for each that is taken; more of them save hardly any
TRIES = 20  # rows that are begun with a combination before it counts as impossible


def covering(
    factors: Mapping[str, Sequence[str]],
    allowed: Callable[[Mapping[str, str]], bool],
    rng: np.random.Generator,
    *,
    strength: int = 2,
    frugal: Collection[str] = (),
) -> tuple[list[Row], list[Row]]:
    """Return rows in which all combinations meet that can, and the combinations that cannot.

    Args:
        factors: Names of factors, each with its values.
        allowed: Whether a row, or a part of one, breaks no constraint; a part is allowed if some whole row that holds
            it may be.
        rng: Randomness; the same gives the same array.
        strength: Of how many factors all combinations are to meet.
        frugal: Factors whose first value is preferred where others add no more.

    Raises:
        ValueError: If there are fewer factors than that, or not two at least are to meet.
    """
    if not 2 <= strength <= len(factors):
        raise ValueError(f"{len(factors)} factors have no combinations of {strength}")
    array = _Array(factors, allowed, rng, strength, frugal)
    rows: list[Row] = []
    impossible: list[Row] = []
    while array.open:
        target = next(iter(array.open))
        row = array.best_row(target)
        if row is None:
            impossible.append(dict(target))
            del array.open[target]
        else:
            rows.append(row)
            array.meet(row)
    return rows, impossible


class _Array:
    """What is still to meet: combinations, each a sorted tuple of pairs of factor and value, in their order."""

    def __init__(
        self,
        factors: Mapping[str, Sequence[str]],
        allowed: Callable[[Mapping[str, str]], bool],
        rng: np.random.Generator,
        strength: int,
        frugal: Collection[str],
    ) -> None:
        self._factors, self._allowed, self._rng, self._strength = factors, allowed, rng, strength
        self._frugal = frugal
        self._names = list(factors)
        self._bits = {
            pair: 1 << number for number, pair in enumerate((name, v) for name in factors for v in factors[name])
        }
        # For each combination of one factor fewer, the values that are still to meet it, as bits of one number.
        self._lacking: dict[tuple[tuple[str, str], ...], int] = {}
        self.open: dict[tuple[tuple[str, str], ...], None] = {}
        for names in combinations(self._names, strength):
            for values in product(*(factors[name] for name in names)):
                combination = tuple(zip(names, values, strict=True))
                if allowed(dict(combination)):
                    self.open[combination] = None
                    for part, other in self._parts(combination):
                        self._lacking[part] = self._lacking.get(part, 0) | self._bits[other]

    def _parts(
        self, combination: tuple[tuple[str, str], ...]
    ) -> Iterator[tuple[tuple[tuple[str, str], ...], tuple[str, str]]]:
        for number, pair in enumerate(combination):
            yield combination[:number] + combination[number + 1 :], pair

    def best_row(self, target: tuple[tuple[str, str], ...]) -> Row | None:
        """Return the row with this combination that adds most, of a few; None where no row can hold it."""
        found: list[tuple[int, Row]] = []
        for _ in range(TRIES):
            row = self._completed(dict(target))
            if row is not None:
                found.append((self._new(row), row))
            if len(found) == CANDIDATES:
                break
        return max(found, key=lambda one: one[0])[1] if found else None

    def meet(self, row: Row) -> None:
        """Note all that meets in a row."""
        for combination in combinations([(name, row[name]) for name in self._names], self._strength):
            if combination in self.open:
                del self.open[combination]
                for part, other in self._parts(combination):
                    self._lacking[part] &= ~self._bits[other]

    def _completed(self, row: Row) -> Row | None:
        """Return the row with a value for every other factor, each with most that is new; None at a dead end."""
        order = [name for name in self._names if name not in row]
        self._rng.shuffle(order)
        for name in order:
            values = list(self._factors[name])
            if name not in self._frugal:
                self._rng.shuffle(values)
            held = sorted(row.items(), key=self._place)
            chosen = sum(map(self._place, held))
            best, most = None, -1
            for value in values:
                new = self._adds(held, chosen, (name, value))
                if new > most and self._allowed({**row, name: value}):
                    best, most = value, new
            if best is None:
                return None
            row[name] = best
        return row

    def _adds(self, held: Sequence[tuple[str, str]], chosen: int, pair: tuple[str, str]) -> int:
        """Return how many combinations a value meets in a part of a row, in order and as bits, that no row held yet."""
        if self._strength == 2:
            return (self._lacking.get((pair,), 0) & chosen).bit_count()
        new = 0
        for others in combinations(held, self._strength - 2):
            part = tuple(sorted((*others, pair), key=self._place))
            new += (self._lacking.get(part, 0) & chosen).bit_count()
        return new

    def _place(self, pair: tuple[str, str]) -> int:
        return self._bits[pair]

    def _new(self, row: Row) -> int:
        pairs = [(name, row[name]) for name in self._names]
        return sum(combination in self.open for combination in combinations(pairs, self._strength))
