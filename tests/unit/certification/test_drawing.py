from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from droppath_audit.certification import drawing
from droppath_audit.certification.ledger import IDENTITY, Entry, Ledger
from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.facts import Facts
from droppath_audit.core.trial import Trial
from droppath_audit.probes.certifying import chunk_stopping
from droppath_audit.probes.counting import Counts
from droppath_audit.run.driving import InProcess
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.dialect import Dialect

LOOK = 4096


class Draws:
    """Collects chunks of made-up decisions, ten seconds each, looking as a sampler does."""

    def __init__(self, dialect: Dialect, keep_probs: dict[str, float]) -> None:
        self.facts = Facts("", "class", "", "", "", dialect, "", "", {})
        self.chunks: list[Trial] = []
        self.now = 0.0
        self._keep_probs = keep_probs

    def collect(self, trials: Sequence[Trial], **_: object) -> Iterator[tuple[Trial, Collected]]:
        for trial in trials:
            sent = wire.load(Trial, wire.dump(trial))
            self.chunks.append(sent)
            self.now += 10.0
            rng = np.random.default_rng(np.random.SeedSequence(sent.entropy))
            stopping, kept, decisions = chunk_stopping(sent), 0, 0
            while not stopping.settled(kept, decisions):
                look = min(LOOK, stopping.cap - decisions)
                kept += int(rng.binomial(look, self._keep_probs[sent.case.coordinates["dtype"]]))
                decisions += look
            yield trial, Collected(wire.dump(Counts(decisions, kept)))


def ledger(*dtypes: str, resolve: float = 0.005, drop_prob: float = 0.1) -> Ledger:
    cells = [Entry(dtype, drop_prob) for dtype in dtypes]
    return Ledger(dict.fromkeys(IDENTITY, ""), resolve, 1e-9, 1e-3, (5,), cells)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FIRST", 2**13)
    monkeypatch.setattr(drawing, "LARGEST_ON_CPU", 2**15)


def run(collector: Draws, book: Ledger, seconds: float = float("inf"), saved: list[int] | None = None) -> list[str]:
    notes: list[int] = [] if saved is None else saved
    cells = drawing.draw(
        collector,
        book,
        "cpu",
        seconds=seconds,
        save=lambda each: notes.append(sum(cell.decisions for cell in each.cells)),
        clock=lambda: collector.now,
    )
    return [cell.dtype for cell in cells]


@pytest.fixture
def dialect() -> Dialect:
    from droppath_audit.core.dialect import Dialect

    return Dialect()


@pytest.mark.usefixtures("small")
def test_cells_take_turns_until_each_is_settled(dialect: Dialect) -> None:
    book = ledger("right", "wrong", "also right")
    saved: list[int] = []
    order = run(Draws(dialect, {"right": 0.9, "wrong": 0.8, "also right": 0.9}), book, saved=saved)
    assert order[:4] == ["right", "wrong", "also right", "right"]  # the wrong one needs a single chunk
    assert [book.standing(cell).outcome for cell in book.cells] == ["pass", "fail", "pass"]
    assert saved == sorted(saved)
    assert len(saved) == len(order)
    assert saved[-1] == sum(cell.decisions for cell in book.cells)
    assert order.count("wrong") == 1


@pytest.mark.usefixtures("small")
def test_no_chunk_begins_after_the_time(dialect: Dialect) -> None:
    collector = Draws(dialect, {"a": 0.9, "b": 0.9})
    book = ledger("a", "b", resolve=0.0001)
    assert run(collector, book, seconds=45.0) == ["a", "b", "a", "b", "a"]
    assert collector.now == 50.0
    assert run(collector, book, seconds=0.0) == ["b"]  # a run that draws at all draws something


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("pieces", [(10.0, 10.0, 10.0), (20.0, 50.0), (200.0,)])
def test_a_continued_run_ends_with_the_counts_of_an_uninterrupted_one(
    pieces: tuple[float, ...], dialect: Dialect
) -> None:
    keep_probs = {"a": 0.9, "b": 0.902, "c": 0.89}
    whole, parts = ledger("a", "b", "c"), ledger("a", "b", "c")
    run(Draws(dialect, keep_probs), whole)
    for seconds in (*pieces, float("inf")):
        run(Draws(dialect, keep_probs), parts, seconds)
        parts = wire.load(Ledger, wire.dump(parts))
    assert parts == whole
    assert all(cell.chunks > 1 for cell in whole.cells[:2])


@pytest.mark.usefixtures("small")
def test_every_chunk_draws_with_seeds_of_its_own(dialect: Dialect) -> None:
    book = ledger("a", "b", resolve=0.001)
    collector = Draws(dialect, {"a": 0.9, "b": 0.9})
    run(collector, book, 60.0)
    run(collector, book, 60.0)  # continued
    run(collector, replace(book, seeds=(5, 6)), 60.0)  # after a merge
    seeds = [tuple(chunk.entropy) for chunk in collector.chunks]
    assert len(set(seeds)) == len(seeds) == 18
    generated = {tuple(np.random.SeedSequence(list(seed)).generate_state(4)) for seed in seeds}
    assert len(generated) == 18
    parts = (replace(book, seeds=seeds) for seeds in ((5,), (6,), (5, 6), (6, 5)))
    same_number = {tuple(drawing.next_chunk(collector, part, part.cells[0], "cpu").entropy) for part in parts}
    assert len(same_number) == 4


@pytest.mark.usefixtures("small")
def test_a_run_ends_exactly_at_the_cap(dialect: Dialect) -> None:
    # Half way to the edge neither ratio gets anywhere: the exact test decides, at the number that it was planned for.
    for seed in range(3):
        book = replace(ledger("a", resolve=0.01, drop_prob=0.5), seeds=(seed,))
        run(Draws(dialect, {"a": 0.505}), book)
        (cell,) = book.cells
        assert cell.decisions <= book.certificate(cell).cap
        assert not book.is_open(cell)


def size_of(trial: Trial) -> int:
    assert trial.chunk is not None
    return trial.chunk.size


def test_chunks_grow_and_what_is_sent_is_what_arrives(dialect: Dialect) -> None:
    book = ledger("a")
    collector = Draws(dialect, {"a": 0.9})
    sizes = []
    for number in range(40):
        book.cells[0].chunks = number
        chunk = drawing.next_chunk(collector, book, book.cells[0], "cpu")
        assert wire.load(Trial, wire.dump(chunk)) == chunk
        assert chunk.id == f"DP102[cpu-a-p0.1]#{number}"
        sizes.append(size_of(chunk))
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (drawing.FIRST, drawing.LARGEST_ON_CPU)
    calls = Draws(replace(dialect, granularity="batch"), {})
    book.cells[0].chunks = 0
    assert size_of(drawing.next_chunk(calls, book, book.cells[0], "cpu")) == drawing.FIRST_OF_CALLS
    book.cells[0].chunks = 40
    assert size_of(drawing.next_chunk(collector, book, book.cells[0], "cuda:1")) == drawing.LARGEST_ELSEWHERE


def test_a_real_layer_is_drawn_chunk_by_chunk() -> None:
    collector = InProcess(load("droppath_reference:DropPath"))
    book = ledger("float32", "bfloat16", resolve=0.005)
    order = [cell.dtype for cell in drawing.draw(collector, book, "cpu", seconds=60.0, save=lambda _: None)]
    assert book.exit_status == 0
    assert set(order) == {"float32", "bfloat16"}


def test_a_target_that_raises_ends_its_cell_and_no_other() -> None:
    collector = InProcess(load("droppath_reference:DropPath"))
    book = ledger("float32", "no such dtype", resolve=0.005)
    list(drawing.draw(collector, book, "cpu", seconds=60.0, save=lambda _: None))
    right, wrong = book.cells
    assert (book.standing(right).outcome, book.standing(wrong).outcome) == ("pass", "error")
    assert "no such dtype" in wrong.error
    assert book.exit_status == 1
