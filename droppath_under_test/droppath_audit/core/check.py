"""Check: one promise, how evidence for it is collected, and how that evidence is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.verdict import Verdict
    from droppath_audit.frameworks.base import Target

Evidence = dict[str, Any]

FAMILIES = {
    "0": "interface and mode",
    "1": "law of the mask",
    "2": "values",
    "3": "edges",
    "4": "gradients",
    "5": "randomness",
    "6": "fuzzing",
    "7": "platforms",
    "8": "cost",
    "9": "in a model",
}

HEADINGS = ("What it checks", "Why it matters", "How to fix", "Seen in")


class Level(str, Enum):
    """How much a violation weighs: MUST fails the audit, SHOULD warns, INFO informs."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"

    def __str__(self) -> str:
        return self.value


class Stopping(Protocol):
    """What tells a sequential check when enough is known: a certificate."""

    @property
    def cap(self) -> int:
        """Number of decisions at which sampling ends whatever was seen."""

    def settled(self, kept: int, decisions: int) -> bool:
        """Return whether further decisions are pointless."""


@dataclass(frozen=True)
class Design:
    """What a statistical trial will see and cost, known before it runs.

    Attributes:
        resolves: The discrepancy it detects with probability 1 - β.
        quantity: Of what, such as ``keep probability``.
        decisions: Mask decisions it expects to draw from a correct target.
    """

    resolves: float
    quantity: str
    decisions: int


class Documentation:
    """A check's docstring, taken apart by its fixed headings.

    Raises:
        ValueError: If the title line or a heading is missing, naming it.
    """

    def __init__(self, text: str) -> None:
        title, _, rest = text.strip().partition("\n")
        match = re.fullmatch(r"(DP\d{3}) ([a-z0-9-]+): (.+)", title)
        if match is None:
            raise ValueError(f"a check's docstring begins with 'DPnnn slug: promise.', not {title!r}")
        self.id, self.slug, self.promise = match.groups()
        sections: dict[str, list[str]] = {}
        current: list[str] | None = None
        for line in rest.splitlines():
            if line.strip() in HEADINGS:
                current = sections.setdefault(line.strip(), [])
            elif current is not None:
                current.append(line.strip())
        missing = [heading for heading in HEADINGS if not any(sections.get(heading, []))]
        if missing:
            raise ValueError(f"{self.id}: no text under {', '.join(repr(heading) for heading in missing)}")
        self.what, self.why, self.fix, self.seen = (
            " ".join(line for line in sections[heading] if line) for heading in HEADINGS
        )


@dataclass(frozen=True)
class Recorded:
    """How a check looks at a recording; its judge is that of the check.

    Attributes:
        cases: Cases that the blocks of a recording allow, each with the blocks it looks at.
        collect: ``(recording, case) -> Evidence``, the same evidence that a target yields.
        snippet: ``(case, evidence, code) -> str``: a script that reads the file and fails by an assertion.
        lacking: Why there is no case, where there is none.
        design: For statistical checks, ``(case, alpha) -> Design``, by default the check's; it resolves inf where the
            case is too short for any verdict, and is None where it is too short for the statistical part of one.
    """

    cases: Callable[[tuple[BlockFacts, ...], Effort], Iterable[Case]]
    collect: Callable[[Recording, Case], Evidence]
    snippet: Callable[[Case, Evidence, Code], str]
    lacking: str
    design: Callable[[Case, float], Design | None] | None = None


def _everywhere(_facts: Facts, _case: Case) -> str:
    return ""


@dataclass(frozen=True)
class Check:
    """One promise of the contract.

    Attributes:
        doc: The module's docstring: title line ``DPnnn slug: promise.`` and the four headings.
        level: What a violation weighs.
        cases: Cases at which the check runs, for one device of a target.
        collect: ``(target, case, rng, stopping) -> Evidence``; the only part that touches the target.
        judge: ``(evidence, case, alpha) -> Verdict``; pure.
        snippet: ``(case, evidence, code) -> str``: a script of a few lines that fails by an assertion where the
            target broke the promise.
        mutants: Names of the faulty implementations that this check must catch.
        design: For statistical checks, ``(case, alpha) -> Design``; such trials take a share of the budget.
        stopping: For sequential checks, ``(case, alpha) -> Stopping``.
        applicable: ``(facts, case) -> reason``; an empty text where the check applies.
        recorded: How it looks at a recording; None where a target must be driven for it.
        not_recorded: Why a target must be driven for it, where that is so.
    """

    doc: str
    level: Level
    cases: Callable[[str, Effort], Iterable[Case]]
    collect: Callable[[Target, Case, np.random.Generator, Stopping | None], Evidence]
    judge: Callable[[Evidence, Case, float], Verdict]
    snippet: Callable[[Case, Evidence, Code], str]
    mutants: tuple[str, ...]
    design: Callable[[Case, float], Design] | None = None
    stopping: Callable[[Case, float], Stopping] | None = None
    applicable: Callable[[Facts, Case], str] = _everywhere
    recorded: Recorded | None = None
    not_recorded: str = "a recording cannot be driven"

    @cached_property
    def documentation(self) -> Documentation:
        """The docstring, parsed."""
        return Documentation(self.doc)

    @property
    def id(self) -> str:
        """Stable id, such as ``DP301``."""
        return self.documentation.id

    @property
    def slug(self) -> str:
        """Name in words, such as ``keep-prob-zero``."""
        return self.documentation.slug

    @property
    def family(self) -> str:
        """Part of the contract it belongs to, such as ``edges``."""
        return FAMILIES[self.id[2]]
