"""Chunk: a piece of the certificate of one cell, drawn with randomness of its own, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

from droppath_audit.core.case import Case
from droppath_audit.core.check import Design, Level
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import Effort
from droppath_audit.core.trial import Trial


@dataclass(frozen=True)
class Chunk(Trial):
    """A trial of DP102 that goes on where earlier ones ended, up to a number of decisions.

    Its generators are seeded from the root seeds, the cell and the chunk's number. No two chunks of a cell repeat
    their draws, and a chunk that was lost is drawn again as it was.

    Attributes:
        seeds: Root seeds of the runs whose counts it adds to; one, unless runs were merged.
        number: How many chunks of this cell came before it.
        resolution: δ of the certificate.
        beta: Its false-pass probability.
        capped: Whether the certificate's exact test may decide at its cap.
        kept: Decisions kept so far.
        decisions: Decisions so far.
        size: Further decisions to draw at most.
    """

    seeds: tuple[int, ...] = (0,)
    number: int = 0
    resolution: float = 0.0
    beta: float = 0.0
    capped: bool = True
    kept: int = 0
    decisions: int = 0
    size: int = 0

    @property
    def id(self) -> str:
        """Id of the cell's trial and number of the chunk, such as ``DP102[cpu-float32-p0.1]#3``."""
        return f"{super().id}#{self.number}"

    @property
    def entropy(self) -> list[int]:
        """Entropy for ``numpy.random.SeedSequence``: a function of the root seeds, the cell and the number."""
        return [*self.seeds, crc32(super().id.encode()), self.number]

    def to_message(self) -> dict[str, Any]:
        """Return what a supervisor sends to a worker that shall draw the chunk."""
        return {"chunk": self.to_json()}

    def to_json(self) -> dict[str, Any]:
        """Return what a worker needs to draw the chunk."""
        return {**asdict(self), "level": str(self.level)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Chunk:
        """Return the chunk that ``to_json`` wrote."""
        case, design = data["case"], data["design"]
        return cls(
            **{
                **data,
                "level": Level(data["level"]),
                "case": Case(
                    **{
                        **case,
                        "dialect": Dialect(**case["dialect"]),
                        "effort": Effort(**case["effort"]),
                        "blocks": (),  # certificates are drawn, never recorded
                    }
                ),
                "design": None if design is None else Design(**design),
                "seeds": tuple(data["seeds"]),
            }
        )
