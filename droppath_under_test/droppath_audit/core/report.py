"""Report: everything an audit found out, with its exit status."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.verdict import Outcome

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result

SCHEMA_VERSION = "1.1"

HOLDS, FINDING, UNUSABLE, OPEN = 0, 1, 2, 3


class AuditFailed(AssertionError):
    """An audit has findings; the message lists them."""


@dataclass(frozen=True)
class Report:
    """The audit of one target.

    Attributes:
        facts: What was audited.
        version: Version of this package.
        seed: Root seed.
        budget: Bound on the probability of any false alarm in this audit.
        effort: Name of the effort.
        strict: Whether a broken SHOULD is a finding.
        results: Every planned trial, in order.
        seconds: Wall time of the audit beyond the target's own import.
    """

    facts: Facts
    version: str
    seed: int
    budget: float
    effort: str
    strict: bool
    results: tuple[Result, ...]
    seconds: float
    incomplete: str = ""
    planned: int | None = None

    @property
    def findings(self) -> tuple[Result, ...]:
        """Results that fail the audit."""
        return tuple(result for result in self.results if result.is_finding(strict=self.strict))

    @property
    def warnings(self) -> tuple[Result, ...]:
        """Broken promises that do not fail the audit."""
        return tuple(r for r in self.results if r.bad and not r.is_finding(strict=self.strict))

    @property
    def open(self) -> tuple[Result, ...]:
        """Results without an answer where one was promised."""
        return tuple(result for result in self.results if result.is_open(strict=self.strict))

    @property
    def counts(self) -> dict[str, int]:
        """Number of planned trials, of trials run, and of each verdict."""
        by_outcome = Counter(str(result.outcome) for result in self.results)
        counts = {"planned": len(self.results), "run": len(self.results) - by_outcome["not-applicable"]}
        return counts | {str(outcome): by_outcome[str(outcome)] for outcome in Outcome}

    @property
    def verdict(self) -> Outcome:
        """``fail`` with a finding, ``inconclusive`` with an open question or nothing run, otherwise ``pass``."""
        if self.findings:
            return Outcome.FAIL
        return Outcome.INCONCLUSIVE if self.open or not self.counts["run"] else Outcome.PASS

    @property
    def exit_status(self) -> int:
        """0 every MUST holds, 1 a finding, 2 nothing was executed, 3 something stayed inconclusive."""
        if self.findings:
            return FINDING
        if not self.counts["run"]:
            return UNUSABLE
        return OPEN if self.open else HOLDS

    def raise_for_findings(self) -> None:
        """Raise if the audit has findings.

        Raises:
            AuditFailed: With one line per finding.
        """
        if self.findings:
            lines = [f"{result.trial.id}: {result.verdict.observed}" for result in self.findings]
            number = f"{len(lines)} finding{'s' if len(lines) > 1 else ''}"
            raise AuditFailed("\n".join([f"{self.facts.spec}: {number}", *lines]))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data; ``report/schema.json`` describes it."""
        facts = wire.dump(self.facts)
        dialect, environment = facts.pop("dialect"), facts.pop("environment")
        return {
            "schema_version": SCHEMA_VERSION,
            "tool": f"droppath-audit {self.version}",
            "target": facts,
            "dialect": dialect,
            "environment": environment,
            "seed": self.seed,
            "budget": self.budget,
            "effort": self.effort,
            "strict": self.strict,
            "verdict": str(self.verdict),
            "exit_status": self.exit_status,
            "counts": self.counts,
            "seconds": self.seconds,
            "results": [result.to_json() for result in self.results],
        }
