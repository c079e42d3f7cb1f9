"""Which random number decides which sample, and at what keep probability: asked by numbers of our own choice.

A dozen calls in one configuration, whose one draw (or several of one kind) is given chosen numbers, show what no number
of random calls could: that no number decides two samples, and between which two neighbouring numbers the threshold
lies. Assumed is that each sample compares one number with one threshold. That is looked at first, at the ends and at
random levels that all numbers of a call share; where it is not so, nothing is said, and why.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.exact.decided import Decided
from droppath_audit.exact.numbers import Coins, Uniforms
from droppath_audit.frameworks.tape import BERNOULLI, OTHER, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from droppath_audit.frameworks.tape import Draw, Tape

    Kept = npt.NDArray[np.bool_]
    Numbers = npt.NDArray[np.float64]
    Ranks = npt.NDArray[np.int64]

LARGE = 2**18  # elements of x above which fewer calls are made
LEVELS = 6  # random numbers that all of a call are set to
CODES = 8  # calls with numbers of which half say keep; a sample that follows another number passes one in 2^8
NAMED = 2**10  # decisions whose places are told by their digits, in ten calls
BOTH = 8  # calls of these in which a decision must fall either way before it is said to hang together with another
TELLING = 20  # further calls, beyond two for each doubling of the samples, before two samples count as one
SPREAD = 3  # neighbours of the threshold that are tried on either side
SINGLE = (0.0, 0.5, 1.0)  # places, as shares of all, of the single numbers at the other end
AROUND = 3 * (2 * SPREAD + 1) // 2  # numbers that are tried there, at least: each of these, and others
AMONG = 0.8  # of the other numbers, those that are neighbours as well; the rest are any
COARSE = 2**17  # numbers of a draw in half precision at most


class OtherDraws(NotApplicable):
    """A call made other draws than the first."""


def decide(
    call: Callable[[], Kept],
    tape: Tape,
    keep_prob: Fraction,
    tolerance: Fraction,
    rng: np.random.Generator,
    *,
    brief: bool = False,
) -> Decided:
    """Return what chosen numbers show of a target in one configuration.

    Args:
        call: Makes a call and returns what was kept, one entry a decision.
        tape: Of the framework.
        keep_prob: The keep probability that is promised.
        tolerance: By how much it may be missed; numbers within that of the threshold decide as they like.
        rng: Which numbers are chosen.
        brief: Whether as few calls as possible are made: they are large, others have shown which number decides, or
            the effort is quick.

    Raises:
        TargetRaised: Whatever the target raises.
    """
    with tape.record(values=False) as draws:
        kept = call()
    if not draws:
        return Decided(silent=True, why_not="nothing is drawn from the framework's generators")
    alike = {replace(draw, shape=()) for draw in draws}
    if len(alike) > 1:
        return Decided(why_not=f"a call makes {len(draws)} draws of different kinds")
    # Draws of one kind, for the parts of a batch say, are one, whose numbers come in their order.
    draw = replace(draws[0], shape=(sum(draw.numbers for draw in draws),))
    asked = Decided(f"{len(draws)} times {draw.describe()}" if len(draws) > 1 else draw.describe())
    if draw.kind == OTHER or (draw.kind == BERNOULLI and draw.probability is None):
        return replace(asked, why_not=f"{draw.describe()} has no single threshold")
    if not kept.size or not draw.numbers:
        return replace(asked, why_not="nothing is decided")
    try:
        numbers = Coins(draw) if draw.kind == BERNOULLI else Uniforms(draw, tape)
        deciding = _Deciding(call, tape, draw, numbers, rng, draws=len(draws), brief=brief)
        if len(draws) > 1 and keep_prob not in (0, 1) and all(one.numbers == kept.size for one in draws):
            deciding = deciding.of_one_draw(kept.size)
        return deciding.asked(asked, keep_prob, tolerance, kept.size)
    except NotApplicable as error:
        return replace(asked, why_not=str(error))


class _Deciding:
    """A target in one configuration, and the draw of its calls."""

    def __init__(
        self,
        call: Callable[[], Kept],
        tape: Tape,
        draw: Draw,
        numbers: Coins | Uniforms,
        rng: np.random.Generator,
        *,
        draws: int,
        brief: bool,
    ) -> None:
        self._call, self._tape, self._draw, self._numbers, self._rng = call, tape, draw, numbers, rng
        self._draws, self._brief = draws, brief
        self._total, self._first = draw.numbers, 0  # of all draws, and of those before the one that decides
        self._unit_interval = draw.kind == UNIFORM and (draw.low, draw.high) == (0.0, 1.0)

    def asked(self, asked: Decided, keep_prob: Fraction, tolerance: Fraction, units: int) -> Decided:
        """Return what is found out."""
        if keep_prob in (0, 1):
            return self._at_an_end(asked, keep_prob)
        try:
            at_low, at_high = self._at_ends()
        except OtherDraws:
            again = self._drawn_again(units)
            if again is None:
                raise
            return replace(asked, again=again, highest=self._end(low=False))
        if (at_low == at_high).any():
            return self._same_at_both_ends(asked, at_low == at_high, units)
        upward = self._directions(at_low, at_high)
        if not self._own_numbers(upward):
            return self._together(asked, upward, units)
        if isinstance(self._numbers, Coins):
            # Of samples that decide in opposite ways one way is wrong, unless the coin is fair.
            both = [self._numbers.keep_prob(bool(way)) for way in np.unique(upward)]
            return replace(asked, low=min(both), high=max(both))
        return self._around(asked, self._numbers, upward, keep_prob, tolerance)

    def of_one_draw(self, units: int) -> _Deciding:
        """Return the same for the one draw that decides, where each could and no other does; else what is there.

        A block with two branches of which one adds nothing draws for both.

        Raises:
            OtherDraws: If a call makes others.
        """
        # For each draw the numbers that are its own.
        rows = np.repeat(np.eye(self._draws, dtype=np.bool_), units, axis=1)
        ends = [self._kept(np.array([np.full(self._total, low)]))[0] for low in (True, False)]
        moved = [
            any((one != end).any() for one, end in zip(self._kept(np.array([~row, row])), ends, strict=True))
            for row in rows
        ]
        if sum(moved) != 1:
            return self
        one = copy(self)
        one._draw, one._first = replace(self._draw, shape=(units,)), moved.index(True) * units
        return one

    def _feed(self, numbers: Numbers) -> Kept:
        if numbers.size < self._total:  # what the other draws give is left to chance
            own, numbers = numbers, self._numbers.ends(self._rng.random(self._total) < 0.5)
            numbers[self._first : self._first + own.size] = own
        with self._tape.replace(numbers, in_turn=self._draws > 1) as drawn:
            kept = self._call()
        if (len(drawn), sum(drawn)) != (self._draws, numbers.size):
            raise OtherDraws("not every call makes the same draws")
        return kept

    def _usual(self, numbers: Numbers) -> bool:
        """Return whether a call makes the usual draws of these numbers."""
        try:
            self._feed(numbers)
        except OtherDraws:
            return False
        return True

    def _drawn_again(self, units: int) -> float | None:
        """Return the end at which a call draws again as no decision alone could want it to; None where there is none.

        Were each decision made by numbers of its own, one that wants to draw again where all are at an end would do so
        whatever another's numbers are; of three single numbers at the other end two at least are others'.
        """
        count = self._draw.numbers
        for low in (False, True) if count == units and count > len(SINGLE) else ():
            numbers = np.full(count, self._end(low=low))
            single = np.tile(numbers, (len(SINGLE), 1))
            single[range(len(SINGLE)), [int(share * (count - 1)) for share in SINGLE]] = self._end(low=not low)
            if not self._usual(numbers) and all(map(self._usual, single)):
                return float(numbers[0])
        return None

    def _all(self, number: float) -> Kept:
        return self._feed(np.full(self._draw.numbers, number))

    def _at_an_end(self, asked: Decided, keep_prob: Fraction) -> Decided:
        """Where all are kept, or dropped, no state of the generator may decide otherwise."""
        low, high = self._end(low=True), self._end(low=False)
        tried = (low, high, *self._numbers.levels(2, self._rng))
        wrong = [float(number) for number in tried if (self._all(number) != (keep_prob == 1)).any()]
        if not wrong:
            return replace(asked, low=keep_prob, high=keep_prob)
        if self._unit_interval:
            asked = replace(asked, witness=wrong[0], wanted=keep_prob == 1)
        if isinstance(self._numbers, Uniforms):
            one = Fraction(1, self._numbers.alphabet.states)
            return replace(asked, low=one, high=one) if keep_prob == 0 else replace(asked, low=1 - one, high=1 - one)
        # A coin that never falls so in practice decides nothing, whatever it is made to show.
        probabilities = [self._numbers.keep_prob(up) for up in (True, False)]
        sound = keep_prob in probabilities
        return replace(asked, low=keep_prob, high=keep_prob) if sound else replace(asked, low=probabilities[0])

    def _end(self, *, low: bool) -> float:
        """Return the lowest number, or the highest."""
        return float(self._numbers.ends(np.array([low]))[0])

    def _at_ends(self) -> tuple[Kept, Kept]:
        """Return what is kept where all numbers are the lowest, and where all are the highest."""
        return self._all(self._end(low=True)), self._all(self._end(low=False))

    def _directions(self, at_low: Kept, at_high: Kept) -> npt.NDArray[np.bool_]:
        """Return which decisions are kept by large numbers.

        Raises:
            NotApplicable: If a decision is not what one threshold makes of the number that all have.
        """
        upward, before = at_high, at_low
        for number in self._numbers.levels(1 if self._brief else LEVELS, self._rng):
            now = self._all(number)
            if (np.where(upward, before, now) & ~np.where(upward, now, before)).any():
                raise NotApplicable("the mask neither rises nor falls with the random number")
            before = now
        return upward

    def _by_chance(self, count: int) -> npt.NDArray[np.bool_]:
        """Return for so many calls which numbers are low: half of them, by chance."""
        bits = np.frombuffer(self._rng.bytes(count * (self._draw.numbers // 8 + 1)), np.uint8).reshape(count, -1)
        return np.unpackbits(bits, axis=1)[:, : self._draw.numbers].view(np.bool_)

    def _kept(self, low: npt.NDArray[np.bool_]) -> Kept:
        """Return what is kept in calls in which these numbers are low, and the others high."""
        return np.array([self._feed(self._numbers.ends(row)) for row in low])

    def _own_numbers(self, upward: npt.NDArray[np.bool_]) -> bool:
        """Return whether each decision follows the number in its own place.

        In few enough calls to name every place, numbers are low by the digits of their places: then no decision that
        follows another number passes. Of many decisions in another order some would not pass calls by chance.
        """
        if self._draw.numbers != upward.size:
            return False
        low = self._by_chance(2 if self._brief else CODES)
        if upward.size <= NAMED:
            digits = np.arange(max(1, (upward.size - 1).bit_length()))
            low = np.concatenate([(np.arange(upward.size) >> digits[:, None]) & 1 == 1, low[: 1 if self._brief else 2]])
        return np.array_equal(self._kept(low) != upward, low)

    def _same_at_both_ends(self, asked: Decided, same: npt.NDArray[np.bool_], units: int) -> Decided:
        """Return a decision that no number changes, if each of the others follows a number.

        What makes a seed of its numbers, say, has decisions that are the same at both ends by chance.
        """
        low = self._telling(units)
        kept = self._kept(low)
        numbers, decisions = (np.packbits(each, axis=0).T for each in (np.concatenate([low, ~low], axis=1), kept))
        follows = {row.tobytes() for row in numbers}
        constant = (kept == kept[0]).all(axis=0)
        if same.all() or not (constant[same].all() and all(row.tobytes() in follows for row in decisions[~same])):
            return replace(asked, why_not="the ends of the generator's range do not decide differently")
        return replace(asked, stuck=int(np.argmax(same)), highest=self._end(low=False))

    def _telling(self, units: int) -> npt.NDArray[np.bool_]:
        """Return for as many calls as tell any two numbers, or decisions, apart which numbers are low."""
        return self._by_chance(TELLING + 2 * max(units, self._draw.numbers).bit_length())

    def _together(self, asked: Decided, upward: npt.NDArray[np.bool_], units: int) -> Decided:
        """Return two decisions that are alike in every call, or always opposed."""
        kept = self._kept(self._telling(units))
        # What hardly ever falls one way, since many numbers at an end must meet for it, is alike by being constant.
        often = kept.sum(axis=0)
        telling = np.minimum(often, len(kept) - often) >= BOTH
        words = np.packbits(kept != upward, axis=0)
        _, first, back = np.unique(words, axis=1, return_index=True, return_inverse=True)
        others = np.flatnonzero((first[back.reshape(-1)] != np.arange(units)) & telling)
        if others.size:
            one, other = int(first[back.reshape(-1)[others[0]]]), int(others[0])
            opposed = bool(upward[one] != upward[other])
            return replace(asked, together=(one, other), opposed=opposed, highest=self._end(low=False))
        return replace(asked, why_not="each decision has several numbers, or its own in another place")

    def _tried(
        self, upward: npt.NDArray[np.bool_], centre: dict[bool, Ranks], edges: dict[bool, Ranks], size: int
    ) -> Iterator[Ranks]:
        """Yield the ranks of calls: both edges for every decision, and numbers at the threshold among random ones."""
        count = upward.size
        code = self._rng.random(count) < 0.5
        for first in (code, ~code):
            yield _by_direction(upward, {up: ranks[first.astype(int)] for up, ranks in edges.items()})
        calls = max(1 if self._brief else 2, -(-AROUND // count))
        wide = 2 * SPREAD + 1
        # Which neighbour of the threshold each number is, or wide for any number: each is one of them, wherever.
        near = np.where(self._rng.random((calls, count)) < AMONG, self._rng.integers(0, wide, (calls, count)), wide)
        near.flat[self._rng.choice(near.size, wide, replace=False)] = np.arange(wide)
        there = {up: np.append(ranks, 0) for up, ranks in centre.items()}
        for row in near:
            chosen = _by_direction(upward, {up: ranks[row] for up, ranks in there.items()})
            yield np.where(row < wide, chosen, self._rng.integers(0, size, count))

    def _around(
        self,
        asked: Decided,
        numbers: Uniforms,
        upward: npt.NDArray[np.bool_],
        keep_prob: Fraction,
        tolerance: Fraction,
    ) -> Decided:
        """Return between which shares of the states the thresholds of all decisions lie."""
        alphabet, centre, edges = numbers.alphabet, {}, {}
        for up in map(bool, np.unique(upward)):
            share = 1 - keep_prob if up else keep_prob
            near = numbers.rank(share) + np.arange(-SPREAD, SPREAD + 1)
            ends = [numbers.rank(share + tolerance) + 1, numbers.rank(share - tolerance) - 2]
            centre[up], edges[up] = (np.clip(ranks, 0, alphabet.size - 1) for ranks in (near, ends))
        kept_below, kept_above = -1, alphabet.size  # the highest rank that is kept, and the lowest, by direction
        dropped_above, dropped_below = alphabet.size, -1
        for ranks in self._tried(upward, centre, edges, alphabet.size):
            kept = self._feed(alphabet.values(ranks))
            kept_below = max(kept_below, int(ranks[kept & ~upward].max(initial=-1)))
            dropped_above = min(dropped_above, int(ranks[~kept & ~upward].min(initial=alphabet.size)))
            kept_above = min(kept_above, int(ranks[kept & upward].min(initial=alphabet.size)))
            dropped_below = max(dropped_below, int(ranks[~kept & upward].max(initial=-1)))
        lows, highs = [Fraction(0)], [Fraction(1)]
        if not upward.all():
            lows.append(numbers.share(kept_below + 1))
            highs.append(numbers.share(dropped_above))
        if upward.any():
            lows.append(1 - numbers.share(kept_above))
            highs.append(1 - numbers.share(dropped_below + 1))
        asked = replace(asked, low=max(lows), high=min(highs))
        if not self._unit_interval:
            return asked
        for rank, wanted, up, wrong in (
            (kept_below, False, False, numbers.share(kept_below + 1) > keep_prob + tolerance),
            (dropped_above, True, False, numbers.share(dropped_above) < keep_prob - tolerance),
            (kept_above, False, True, 1 - numbers.share(kept_above) > keep_prob + tolerance),
            (dropped_below, True, True, 1 - numbers.share(dropped_below + 1) < keep_prob - tolerance),
        ):
            if wrong and 0 <= rank < alphabet.size:
                witness = float(alphabet.values(np.array([rank], dtype=np.int64))[0])
                coarse = alphabet.size <= COARSE
                if coarse and self._draws > 1:  # numbers in equal steps would have to be dealt out to them
                    return asked
                return replace(asked, witness=witness, wanted=wanted, upward=up, coarse=coarse)
        return asked


def _by_direction(upward: npt.NDArray[np.bool_], ranks: dict[bool, Ranks]) -> Ranks:
    """Return for each decision its entry of the array that belongs to its direction; there may be one direction."""
    if len(ranks) == 1:
        return next(iter(ranks.values()))
    return np.where(upward, ranks[True], ranks[False])
