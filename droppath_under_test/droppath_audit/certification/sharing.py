"""Sharing: the chunks of all cells, drawn by several ranks and counted by rank 0.

A counter gives out turns; a turn is a cell and the number of a chunk of it. So cells take turns as in one process, and
a chunk has the seed that it has there. Rank 0 adds chunks in the order of their numbers, whichever arrived first: were
it that of arrival, a target that is faster where it drops would be counted by what it decided. What arrived out of turn
when the run ends is left out.

A chunk that is drawn beside others cannot know their counts: it is drawn whole, and is no more than a small part of
what its cell is expected to need. That the exact test has its number of decisions nevertheless is seen to beforehand:
no chunk is begun that could lead beyond the cap if all before it were whole, and what was cut short by time is drawn
by later ones.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from droppath_audit.certification.drawing import add, chunk_of, size_of
from droppath_audit.core import wire
from droppath_audit.core.collected import Collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.certification.ledger import Entry, Ledger
    from droppath_audit.core.collected import Collector
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.ranks.exchange import Exchange

STATE, TURNS = "state", "turns"
# A chunk is at most this part of what its cell is expected to need, for each rank: as much is drawn in vain at its end.
PARTS = 8
SMALL = 2**20  # unless that is fewer decisions than this, which take about as long as ten messages


class _Drawing:
    """What ranks have in common: taking turns, and drawing one chunk.

    Args:
        exchange: Access to the others.
        collector: Has loaded the target.
        ledger: Counts so far, those of rank 0 or what it told of them.
        device: Device to draw on.
        interruption: What ends it early.
    """

    def __init__(
        self, exchange: Exchange, collector: Collector, ledger: Ledger, device: str, interruption: Interruption
    ) -> None:
        self.exchange, self.collector, self.ledger, self.device = exchange, collector, ledger, device
        self.interruption = interruption
        self.starts = [cell.chunks for cell in ledger.cells]

    def is_open(self, place: int) -> bool:
        """Return whether a cell wants decisions."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Learn what others drew."""
        raise NotImplementedError

    def chunk(self) -> tuple[int, int, Collected] | None:
        """Take a turn and draw its chunk: the cell's place, the chunk's number and what came of it.

        None where the run was interrupted, or the cell was settled before the turn came.

        Raises:
            RankLost: If another rank is missed meanwhile.
        """
        place, number = self._turn()
        entry = self.ledger.cells[place]
        while not (size := self._room(entry, number)):
            self.exchange.look()
            self.exchange.pause()
            self.refresh()
            if not self.is_open(place) or self.interruption.told:
                return None
        trial = chunk_of(
            self.collector,
            self.ledger,
            entry,
            self.device,
            number=number,
            kept=0,
            decisions=0,
            size=size,
            apart=True,
        )
        for _, collected in self.collector.collect([trial]):
            return place, number, collected
        return None

    def _room(self, entry: Entry, number: int) -> int:
        return room(self.ledger, entry, number, self.exchange.here.size, self.collector.facts, self.device)

    def _turn(self) -> tuple[int, int]:
        """Return the next cell that is open, and the number of the chunk that this rank alone draws of it."""
        while True:
            turn = self.exchange.take(TURNS)
            place = turn % len(self.starts)
            if self.is_open(place):
                return place, self.starts[place] + turn // len(self.starts)


def room(ledger: Ledger, entry: Entry, number: int, ranks: int, facts: Facts, device: str) -> int:
    """Return how many decisions a chunk may draw, so that all up to it are no more than the cap, were they whole.

    It depends on no outcome, but on which chunks rank 0 had added when somebody asked.
    """
    certificate = ledger.certificate(entry)
    largest = max(SMALL, certificate.expected_decisions() // (PARTS * ranks))

    def whole(number: int) -> int:
        return min(size_of(number, facts, device), largest)

    if not certificate.capped:
        return whole(number)
    before = entry.decisions + sum(whole(earlier) for earlier in range(entry.chunks, number))
    return max(0, min(whole(number), certificate.cap - before))


class Leading(_Drawing):
    """Rank 0: draws, adds up what all ranks drew, and tells them what is settled."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._arrived: dict[tuple[int, int], Collected] = {}
        self._grown: list[Entry] = []  # cells that were added to and not yet spoken of

    def draw(
        self,
        *,
        seconds: float = math.inf,
        save: Callable[[Ledger], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> Iterator[Entry]:
        """Add to the ledger's counts until every cell is settled, the time is up or the run is interrupted.

        Args:
            seconds: Time limit; chunks that were begun before it are waited for.
            save: Called with the ledger whenever it has grown.
            clock: The time, in seconds.

        Yields:
            A cell whose counts have grown.

        Raises:
            RankLost: If a rank is missed; what it and all others handed over is in the ledger.
        """
        deadline = clock() + seconds
        self._tell(closing=False)
        try:
            while self._any_open() and clock() < deadline and not self.interruption.told:
                if (drawn := self.chunk()) is not None:
                    self._arrived[drawn[:2]] = drawn[2]
                yield from self._heard(save)
                self.exchange.look()
            self._tell(closing=True)
            turns = self.exchange.take(TURNS, 0)
            while self._awaited(turns) and not self.interruption.told:
                yield from self._heard(save)
                self.exchange.look()
                self.exchange.pause()
        finally:
            self._tell(closing=True)

    def is_open(self, place: int) -> bool:
        """Return whether a cell wants decisions."""
        return self.ledger.is_open(self.ledger.cells[place])

    def refresh(self) -> None:
        """Take what others handed over, and add what is next in its cell."""
        for told in self.exchange.handed():
            self._arrived[told["place"], told["number"]] = wire.load(Collected, told["collected"])
        grown = []
        for place, entry in enumerate(self.ledger.cells):
            while self.is_open(place) and (collected := self._arrived.pop((place, entry.chunks), None)) is not None:
                add(entry, collected)
                grown.append(entry)
        if grown:
            self._grown += grown
            self._tell(closing=False)

    def _heard(self, save: Callable[[Ledger], None]) -> Iterator[Entry]:
        self.refresh()
        if self._grown:
            save(self.ledger)
        while self._grown:
            yield self._grown.pop(0)

    def _any_open(self) -> bool:
        return any(self.is_open(place) for place in range(len(self.ledger.cells)))

    def _awaited(self, turns: int) -> bool:
        """Return whether a chunk that a turn before these gave out has not been added yet."""
        every = len(self.starts)
        return any(
            entry.chunks < self.starts[place] + (turns - place + every - 1) // every
            for place, entry in enumerate(self.ledger.cells)
            if self.is_open(place)
        )

    def _tell(self, *, closing: bool) -> None:
        cells = self.ledger.cells
        self.exchange.put(
            STATE,
            {
                "closing": closing,
                "open": [self.is_open(place) for place in range(len(cells))],
                "chunks": [cell.chunks for cell in cells],
                "decisions": [cell.decisions for cell in cells],
            },
        )


class Following(_Drawing):
    """Any other rank: draws until rank 0 wants no more."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: list[bool] = []
        self._closing = False

    def draw(self) -> int:
        """Draw chunks and hand them over; return how many.

        Raises:
            RankLost: If rank 0 is missed.
        """
        handed = 0
        while not self.interruption.told:
            self.refresh()
            if self._closing:
                break
            if not any(self._open):
                self.exchange.pause()
            elif (drawn := self.chunk()) is not None:
                place, number, collected = drawn
                self.exchange.hand({"place": place, "number": number, "collected": wire.dump(collected)})
                handed += 1
            self.exchange.look()
        return handed

    def is_open(self, place: int) -> bool:
        """Return whether rank 0 last said that a cell wants decisions."""
        return self._open[place]

    def refresh(self) -> None:
        """Read what rank 0 said last."""
        told = self.exchange.await_value(STATE)
        if told is None:
            self._closing, self._open = True, [False] * len(self.starts)
            return
        self._closing, self._open = told["closing"], told["open"]
        for entry, chunks, decisions in zip(self.ledger.cells, told["chunks"], told["decisions"], strict=True):
            entry.chunks, entry.decisions = chunks, decisions
