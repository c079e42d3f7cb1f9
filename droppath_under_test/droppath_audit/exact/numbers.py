"""The numbers of a draw that are chosen: those of coins, 0 and 1, and those of uniform draws, by their ranks."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.exact.generators import model_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.exact.alphabets import Alphabet
    from droppath_audit.frameworks.tape import Draw, Tape

    Numbers = npt.NDArray[np.float64]


class Coins:
    """The numbers of a draw that decides itself: 0 and 1."""

    def __init__(self, draw: Draw) -> None:
        self._one = Fraction(draw.probability or 0.0)

    def ends(self, low: npt.NDArray[np.bool_]) -> Numbers:
        """Return a number from the lower end where asked, and from the upper elsewhere."""
        return np.where(low, 0.0, 1.0)

    def levels(self, _count: int, _rng: np.random.Generator) -> Numbers:
        """Return numbers between the ends, ascending; there are none."""
        return np.empty(0)

    def keep_prob(self, upward: bool) -> Fraction:
        """Return the keep probability: no number has to be tried."""
        return self._one if upward else 1 - self._one


class Uniforms:
    """The numbers of a uniform draw, by their ranks in the alphabet of the generator."""

    def __init__(self, draw: Draw, tape: Tape) -> None:
        model = model_of(draw, tape.redraw)
        found = model.alphabet(draw) if model is not None else None
        if found is None:
            raise NotApplicable(f"there is no model of {draw.describe()} on {draw.device}")
        self.alphabet: Alphabet = found

    def ends(self, low: npt.NDArray[np.bool_]) -> Numbers:
        """Return the lowest number where asked, and the highest elsewhere."""
        last = self.alphabet.size - 1
        lowest, highest = self.alphabet.values(np.array([0, last], dtype=np.int64))
        return np.asarray(np.where(low, lowest, highest))

    def levels(self, count: int, rng: np.random.Generator) -> Numbers:
        """Return random numbers, ascending."""
        return self.alphabet.values(np.sort(rng.integers(0, self.alphabet.size, count)))

    def rank(self, share: Fraction) -> int:
        """Return the first rank below which at least this share of the states lies."""
        # A whole number: comparisons of fractions take longer than all else here.
        wanted, low, high = -(-share.numerator * self.alphabet.states // share.denominator), 0, self.alphabet.size
        while low < high:
            middle = (low + high) // 2
            if self.alphabet.below(middle) >= wanted:
                high = middle
            else:
                low = middle + 1
        return low

    def share(self, rank: int) -> Fraction:
        """Return the share of the states below a rank."""
        return Fraction(self.alphabet.below(min(max(rank, 0), self.alphabet.size)), self.alphabet.states)
