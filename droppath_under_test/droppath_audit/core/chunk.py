"""Chunk: a piece of the certificate of one cell, drawn with randomness of its own, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chunk:
    """How a trial of a certificate goes on where earlier ones ended, up to a number of decisions.

    Attributes:
        number: How many chunks of this cell came before it.
        seeds: Root seeds of the runs whose counts it adds to; one, unless runs were merged. With the cell and the
            number they fix its draws: no two chunks of a cell repeat them, and one that was lost is drawn again as it
            was.
        resolution: δ of the certificate.
        beta: Its false-pass probability.
        capped: Whether the certificate's exact test may decide at its cap.
        kept: Decisions kept so far.
        decisions: Decisions so far.
        size: Further decisions to draw at most.
        apart: Whether it is drawn beside others whose counts are not known yet: its size alone ends it.
    """

    number: int
    seeds: tuple[int, ...]
    resolution: float
    beta: float
    capped: bool
    kept: int
    decisions: int
    size: int
    apart: bool = False
