"""Several ranks count what one would: no chunk twice, none out of its order, none beyond the cap."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from droppath_audit.certification import drawing, sharing
from droppath_audit.certification.ledger import IDENTITY, Entry, Ledger
from droppath_audit.certification.sharing import Following, Leading, room
from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.facts import Facts
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.trial import Trial
from droppath_audit.probes.certifying import chunk_stopping
from droppath_audit.probes.counting import Counts
from droppath_audit.ranks.exchange import RankLost
from droppath_audit.stats.certificate import Certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.ranks.exchange import Exchange

KEEP_PROBS = {"right": 0.9, "wrong": 0.8, "near": 0.894}
FACTS = Facts("", "class", "", "", "", Dialect(), "", "", {})


class Draws:
    """Collects chunks of made-up decisions; what a chunk gives follows from its seed alone, as in a worker."""

    def __init__(self, pause: float = 0.0, cut: float = 1.0) -> None:
        self.facts = FACTS
        self.chunks: list[Trial] = []
        self._pause, self._cut = pause, cut

    def collect(self, trials: Sequence[Trial], **_: object) -> Iterator[tuple[Trial, Collected]]:
        for trial in trials:
            sent = wire.load(Trial, wire.dump(trial))
            self.chunks.append(sent)
            time.sleep(self._pause)
            yield trial, Collected(wire.dump(drawn(sent, self._cut)))


def drawn(chunk: Trial, cut: float = 1.0) -> Counts:
    rng = np.random.default_rng(np.random.SeedSequence(chunk.entropy))
    decisions = max(1, int(cut * chunk_stopping(chunk).cap))
    return Counts(decisions, int(rng.binomial(decisions, KEEP_PROBS[chunk.case.coordinates["dtype"]])))


def ledger(*dtypes: str, resolve: float = 0.005) -> Ledger:
    return Ledger(dict.fromkeys(IDENTITY, ""), resolve, 1e-9, 1e-3, (5,), [Entry(dtype, 0.1) for dtype in dtypes])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FIRST", 2**12)
    monkeypatch.setattr(sharing, "SMALL", 2**13)


def shared(ranks: list[Exchange], collectors: list[Draws], book: Ledger, **options: Any) -> list[BaseException]:
    """Run all ranks in threads until rank 0 is done, and return what the others raised."""
    raised: list[BaseException] = []

    def follow(exchange: Exchange, collector: Draws) -> None:
        try:
            Following(exchange, collector, wire.load(Ledger, wire.dump(book)), "cpu", Interruption()).draw()
        except RankLost as error:
            raised.append(error)

    threads = [
        threading.Thread(target=follow, args=pair) for pair in zip(ranks[1:], collectors[1:], strict=True)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    saves: list[int] = []
    leading = Leading(ranks[0], collectors[0], book, "cpu", Interruption())
    for _ in leading.draw(save=lambda each: saves.append(sum(cell.decisions for cell in each.cells)), **options):
        pass
    assert saves == sorted(saves)
    for thread in threads:
        thread.join(20.0)
        assert not thread.is_alive()
    return raised


@pytest.mark.parametrize("pauses", [(0.01, 0.01, 0.01), (0.03, 0.01, 0.01), (0.01, 0.05, 0.01)])
def test_every_chunk_is_drawn_by_one_rank_and_counted_in_its_order(
    exchanges: Callable[..., list[Exchange]], pauses: tuple[float, ...]
) -> None:
    """Whoever is fast or slow: the counts are those of the first chunks of each cell, each drawn once."""
    book, collectors = ledger("right", "wrong", "near"), [Draws(pause) for pause in pauses]
    assert not shared(exchanges(3, patience=10.0), collectors, book)
    assert [book.standing(cell).outcome for cell in book.cells] == ["pass", "fail", "fail"]
    chunks = {chunk.id: chunk for collector in collectors for chunk in collector.chunks}
    assert len(chunks) == sum(len(collector.chunks) for collector in collectors)
    assert sum(bool(collector.chunks) for collector in collectors) > 1  # or nothing was shared
    for cell in book.cells:
        first = [chunk for chunk in chunks.values() if chunk.case.coordinates["dtype"] == cell.dtype]
        first = sorted(first, key=lambda chunk: chunk.chunk.number)[: cell.chunks]
        counts = [drawn(chunk) for chunk in first]
        assert cell.decisions == sum(one.decisions for one in counts)
        assert cell.kept == sum(one.kept for one in counts)
        before = counts[:-1]
        kept, decisions = sum(one.kept for one in before), sum(one.decisions for one in before)
        assert not book.certificate(cell).settled(kept, decisions)  # none was added that was not wanted


def test_streams_do_not_depend_on_how_many_ranks_there_are(exchanges: Callable[..., list[Exchange]]) -> None:
    alone, collectors = Draws(), [Draws(), Draws()]
    for _ in drawing.draw(alone, ledger("right"), "cpu", save=lambda _: None):
        pass
    shared(exchanges(2, patience=10.0), collectors, ledger("right"))
    there = {chunk.id: chunk.entropy for one in collectors for chunk in one.chunks}
    assert {chunk.id: chunk.entropy for chunk in alone.chunks}.items() <= there.items()


@pytest.mark.parametrize("cut", [1.0, 0.7])
def test_the_exact_test_has_its_number_of_decisions(
    exchanges: Callable[..., list[Exchange]], monkeypatch: pytest.MonkeyPatch, cut: float
) -> None:
    """What is settled by nothing earlier ends exactly at the cap, also where time cut chunks short."""
    monkeypatch.setattr(Certificate, "settled", lambda self, _, decisions: decisions >= self.cap)
    book = ledger("right")
    shared(exchanges(2, patience=10.0), [Draws(0.001, cut), Draws(0.0, cut)], book)
    assert book.cells[0].decisions == book.certificate(book.cells[0]).cap


def test_room_counts_chunks_that_are_out_as_whole() -> None:
    book = ledger("right")
    (cell,) = book.cells
    cap, facts = book.certificate(cell).cap, FACTS
    sizes = []
    while size := room(book, cell, len(sizes), 2, facts, "cpu"):
        sizes.append(size)
    assert sum(sizes) == cap
    cell.chunks, cell.decisions = 3, 1  # three were cut short
    assert room(book, cell, len(sizes), 2, facts, "cpu") == min(sizes[-2], sum(sizes[:3]) - 1)


def test_a_rank_that_raises_ends_its_cell_alone(exchanges: Callable[..., list[Exchange]]) -> None:
    class Raising(Draws):
        def collect(self, trials: Sequence[Trial], **_: object) -> Iterator[tuple[Trial, Collected]]:
            for trial in trials:
                if trial.case.coordinates["dtype"] == "near":
                    yield trial, Collected(error="raised ValueError")
                else:
                    yield from super().collect([trial])

    book = ledger("right", "near")
    shared(exchanges(2, patience=10.0), [Raising(), Raising()], book)
    assert [book.standing(cell).outcome for cell in book.cells] == ["pass", "error"]


def test_when_the_time_is_up_chunks_that_were_begun_are_waited_for(exchanges: Callable[..., list[Exchange]]) -> None:
    book, collectors = ledger("right", resolve=0.0001), [Draws(0.05), Draws(0.4)]
    shared(exchanges(2, patience=10.0), collectors, book, seconds=0.6)
    drawn_there = sum(len(one.chunks) for one in collectors)
    assert drawn_there - 1 <= book.cells[0].chunks <= drawn_there  # one may have been begun after the question


def test_a_rank_that_is_gone_ends_the_run_with_what_there_is(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, other = exchanges(2, patience=0.5)
    book = ledger("right", resolve=0.0001)
    other.take("turns")  # and is never heard of again
    other.silence()
    with pytest.raises(RankLost, match="rank 1 of 2"):
        for _ in Leading(lead, Draws(0.01), book, "cpu", Interruption()).draw(save=lambda _: None):
            pass
    assert book.cells[0].chunks == 0  # the first chunk is missing, and nothing is counted out of its turn


def test_a_signal_ends_the_run(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, _ = exchanges(2, patience=10.0)
    book, interruption = ledger("right", resolve=0.0001), Interruption()
    for _ in Leading(lead, Draws(0.001), book, "cpu", interruption).draw(save=lambda _: None):
        interruption.signal = 15
    assert book.cells[0].chunks == 1
