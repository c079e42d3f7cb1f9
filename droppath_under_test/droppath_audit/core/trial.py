"""Trial: a check at a case, with its own seed and its own share of the error budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

from droppath_audit.core.case import AnyCase
from droppath_audit.core.check import Design
from droppath_audit.core.chunk import Chunk
from droppath_audit.core.level import Level


@dataclass(frozen=True)
class Trial:
    """One unit of an audit.

    Attributes:
        check: Id of the check, such as ``DP101``.
        slug: The check's name in words.
        level: What a violation weighs.
        case: Where it runs.
        root_seed: The audit's seed.
        alpha: Share of the error budget; 0 for deterministic trials.
        design: What it sees and costs; None for deterministic trials.
        reason: Why it is not applicable; empty where it is.
        chunk: What replaces the check's own stopping rule, where a certificate is drawn piece by piece.
    """

    check: str
    slug: str
    level: Level
    case: AnyCase
    root_seed: int = 0
    alpha: float = 0.0
    design: Design | None = None
    reason: str = ""
    chunk: Chunk | None = None

    @property
    def name(self) -> str:
        """Check and case, such as ``DP101[cpu-bfloat16-p0.1]``."""
        return f"{self.check}[{self.case.slug}]"

    @property
    def id(self) -> str:
        """Stable id: the name, and for a chunk its number, such as ``DP102[cpu-float32-p0.1]#3``."""
        return self.name if self.chunk is None else f"{self.name}#{self.chunk.number}"

    @property
    def names(self) -> tuple[str, ...]:
        """What a pattern can select it by."""
        return self.id, self.check, self.slug

    @property
    def entropy(self) -> list[int]:
        """Entropy for ``numpy.random.SeedSequence``: a function of root seeds, name and number alone."""
        name = crc32(self.name.encode())
        return [self.root_seed, name] if self.chunk is None else [*self.chunk.seeds, name, self.chunk.number]

    def not_applicable(self, reason: str) -> Trial:
        """Return this trial marked as not applicable."""
        return replace(self, reason=reason)
