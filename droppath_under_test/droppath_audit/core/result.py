"""Result: a finished trial, as it stands in the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from droppath_audit.core.cause import Place
    from droppath_audit.core.trial import Trial

BAD = (Outcome.FAIL, Outcome.ERROR)
SHOWN, NOT_SHOWN, NOT_RUN = "shown", "not shown standalone", "not run"
"""What became of a script: run alone it fails as the finding says; it does not; nobody knows."""


@dataclass(frozen=True)
class Result:
    """One trial with its verdict and everything a reader needs to act on it.

    Attributes:
        trial: What was run.
        verdict: What the judge said.
        evidence: What was measured.
        promised: What should have been seen.
        why: Why it matters; only for findings and failed SHOULDs.
        fix: How to fix it; likewise.
        reproduce: Command that runs this trial alone; likewise.
        snippet: Script that shows the fault without this package; likewise.
        longer: Scripts to try where that one runs to its end; no part of a report.
        snippet_state: What became of the script: ``SHOWN``, ``NOT_SHOWN`` or ``NOT_RUN``; empty where there is none.
        snippet_note: How it ended where it showed nothing, or why it was not run.
        traceback: Where the target raised, if it did.
        place: The line that the evidence comes from, where the check tells it; no part of a report but by its cause.
        seconds: Time spent on collecting the evidence.
        note: What a reader should know of how the evidence came, such as that it is that of a second attempt.
        stopped_by_time: Whether time ran out: the evidence, and it alone, may then differ from one run to the next.
    """

    trial: Trial
    verdict: Verdict
    evidence: dict[str, Any] = field(default_factory=dict)
    promised: str = ""
    why: str = ""
    fix: str = ""
    reproduce: str = ""
    snippet: str = ""
    longer: tuple[str, ...] = ()
    snippet_state: str = ""
    snippet_note: str = ""
    traceback: str = ""
    place: Place | None = None
    seconds: float = 0.0
    note: str = ""
    stopped_by_time: bool = False

    @property
    def outcome(self) -> Outcome:
        """The verdict's outcome."""
        return self.verdict.outcome

    @property
    def level(self) -> Level:
        """What it weighs: the check's level, or that of its verdict."""
        return self.trial.level if self.verdict.level is None else self.verdict.level

    @property
    def bad(self) -> bool:
        """Whether the promise was broken, whatever its level."""
        return self.outcome in BAD

    def is_finding(self, *, strict: bool = False) -> bool:
        """Return whether the result fails the audit: a broken MUST, under ``strict`` a broken SHOULD as well."""
        return self.bad and (self.level is Level.MUST or (strict and self.level is Level.SHOULD))

    def is_open(self, *, strict: bool = False) -> bool:
        """Return whether a question that counts stayed unanswered."""
        counts = self.level is Level.MUST or (strict and self.level is Level.SHOULD)
        return counts and self.outcome is Outcome.INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data, with the names of the JSON report."""
        design = self.trial.design
        return {
            "trial": self.trial.id,
            "check": self.trial.check,
            "slug": self.trial.slug,
            "level": str(self.level),
            "case": self.trial.case.to_json(),
            "verdict": str(self.outcome),
            "message": self.verdict.observed,
            "promised": self.promised,
            "why": self.why,
            "fix": self.fix,
            "hint": self.verdict.hint,
            "evidence": self.evidence,
            "alpha": self.trial.alpha if design else None,
            "p_value": self.verdict.p_value,
            "resolves": design.resolves if design else None,
            "reproduce": self.reproduce,
            "snippet": self.snippet,
            "snippet_state": self.snippet_state,
            "snippet_note": self.snippet_note,
            "traceback": self.traceback,
            "seconds": self.seconds,
            "note": self.note,
            "stopped_by_time": self.stopped_by_time,
        }


def first_of_each_check(results: Iterable[Result], *, strict: bool = False) -> list[Result]:
    """Return the broken promises that a report shows in full: of each check the first finding and the first warning."""
    found: dict[tuple[str, bool], Result] = {}
    for result in results:
        if result.bad:
            found.setdefault((result.trial.check, result.is_finding(strict=strict)), result)
    return list(found.values())
