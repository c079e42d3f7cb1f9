"""Trial: a check at a case, with its own seed and its own share of the error budget."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any
from zlib import crc32

from droppath_audit.core.case import Case
from droppath_audit.core.check import Design, Level
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import Effort
from droppath_audit.core.recording import BlockFacts


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
    """

    check: str
    slug: str
    level: Level
    case: Case
    root_seed: int = 0
    alpha: float = 0.0
    design: Design | None = None
    reason: str = ""

    @property
    def id(self) -> str:
        """Stable id, such as ``DP101[cpu-bfloat16-p0.1]``."""
        return f"{self.check}[{self.case.slug}]"

    @property
    def entropy(self) -> list[int]:
        """Entropy for ``numpy.random.SeedSequence``: a function of the root seed and the id alone."""
        return [self.root_seed, crc32(self.id.encode())]

    def to_message(self) -> dict[str, Any]:
        """Return what a supervisor sends to a worker that shall run the trial."""
        return {"trial": self.to_json()}

    def to_json(self) -> dict[str, Any]:
        """Return the whole trial as plain data: a worker runs what was planned, whatever its own efforts are."""
        return {
            "check": self.check,
            "slug": self.slug,
            "level": str(self.level),
            "case": {
                **self.case.to_json(),
                "dialect": self.case.dialect.to_json(),
                "effort": asdict(self.case.effort),
                "blocks": [block.to_json() for block in self.case.blocks],
            },
            "root_seed": self.root_seed,
            "alpha": self.alpha,
            "design": None if self.design is None else asdict(self.design),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trial:
        """Return the trial that ``to_json`` wrote."""
        case = data["case"]
        return cls(
            check=data["check"],
            slug=data["slug"],
            level=Level(data["level"]),
            case=Case(
                **{
                    **case,
                    "dialect": Dialect(**case["dialect"]),
                    "effort": Effort(**case["effort"]),
                    "blocks": tuple(BlockFacts.from_json(block) for block in case["blocks"]),
                },
            ),
            root_seed=data["root_seed"],
            alpha=data["alpha"],
            design=None if data["design"] is None else Design(**data["design"]),
            reason=data["reason"],
        )

    def not_applicable(self, reason: str) -> Trial:
        """Return this trial marked as not applicable."""
        return replace(self, reason=reason)
