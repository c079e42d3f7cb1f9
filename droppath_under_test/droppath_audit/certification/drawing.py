"""Drawing: chunk after chunk, one cell after the other, until all are settled or the time is up."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from droppath_audit.checks import catalogue
from droppath_audit.core import wire
from droppath_audit.core.case import Cell
from droppath_audit.core.check import Design
from droppath_audit.core.chunk import Chunk
from droppath_audit.core.effort import Effort
from droppath_audit.core.trial import Trial
from droppath_audit.probes.counting import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.certification.ledger import Entry, Ledger
    from droppath_audit.core.collected import Collected, Collector
    from droppath_audit.core.facts import Facts

# Decisions of a cell's first chunk: few enough that every cell soon has some, also where each costs a call.
FIRST, FIRST_OF_CALLS = 2**17, 2**12
# Later ones double up to this, a quarter of a second at full speed; messages and file take some milliseconds.
LARGEST_ON_CPU, LARGEST_ELSEWHERE = 2**25, 2**30
CHUNK_SECONDS = 3.0  # a slow target's chunk ends here, with the decisions that it has


def draw(
    collector: Collector,
    ledger: Ledger,
    device: str,
    *,
    seconds: float = math.inf,
    save: Callable[[Ledger], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Entry]:
    """Add to the ledger's counts until every cell is settled or the time is up.

    Cells take turns, so that all have come equally far when the time is up; a settled one has no further turn. Beyond
    the first, no chunk begins after the time; the last may end up to ``CHUNK_SECONDS`` later.

    Args:
        collector: Has loaded the target.
        ledger: Counts so far; they grow.
        device: Device to draw on.
        seconds: Time limit.
        save: Called with the ledger after every chunk.
        clock: The time, in seconds.

    Yields:
        The cell that was drawn, after every chunk.
    """
    deadline = clock() + seconds
    while waiting := [cell for cell in ledger.cells if ledger.is_open(cell)]:
        cell = min(waiting, key=lambda each: each.chunks)
        chunk = next_chunk(collector, ledger, cell, device)
        ((_, collected),) = collector.collect([chunk])
        add(cell, collected)
        save(ledger)
        yield cell
        if clock() >= deadline:
            return


def next_chunk(collector: Collector, ledger: Ledger, entry: Entry, device: str) -> Trial:
    """Return the next chunk of a cell: its size follows from its number alone, its seed from number and cell."""
    return chunk_of(
        collector,
        ledger,
        entry,
        device,
        number=entry.chunks,
        kept=entry.kept,
        decisions=entry.decisions,
        size=size_of(entry.chunks, collector.facts, device),
    )


def size_of(number: int, facts: Facts, device: str) -> int:
    """Return the decisions of a cell's chunk of this number, at most."""
    largest = LARGEST_ON_CPU if device.partition(":")[0] == "cpu" else LARGEST_ELSEWHERE
    first = FIRST_OF_CALLS if facts.dialect.granularity == "batch" else FIRST
    return min(first << min(number, 30), largest)


def chunk_of(collector: Collector, ledger: Ledger, entry: Entry, device: str, **chunk: Any) -> Trial:
    """Return the trial that draws a chunk of a cell; ``chunk`` has the fields of ``Chunk`` that the ledger does not."""
    check, certificate = catalogue()["DP102"], ledger.certificate(entry)
    effort = Effort("certify", certificate.resolution, certificate.resolution, CHUNK_SECONDS)
    return Trial(
        check.id,
        check.slug,
        check.level,
        Cell(device, entry.dtype, entry.drop_prob, dialect=collector.facts.dialect, effort=effort),
        root_seed=ledger.seeds[0],
        alpha=ledger.alpha,
        design=Design(certificate.resolution, "keep probability", certificate.expected_decisions()),
        chunk=Chunk(
            seeds=ledger.seeds,
            resolution=certificate.resolution,
            beta=ledger.beta,
            capped=certificate.capped,
            **chunk,
        ),
    )


def add(entry: Entry, collected: Collected) -> None:
    """Add what came of a cell's next chunk to its counts.

    Raises:
        WireError: If the evidence is no counts.
    """
    if collected.evidence is None:
        entry.error, entry.not_applicable = collected.error, collected.not_applicable
        return
    counts = wire.load(Counts, collected.evidence)
    entry.decisions += counts.decisions
    entry.kept += counts.kept
    entry.other += counts.other
    entry.chunks += 1
