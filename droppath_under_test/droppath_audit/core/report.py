"""Report: everything an audit found out, with its exit status."""

from __future__ import annotations

import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from droppath_audit.core.cause import Cause
    from droppath_audit.core.documentation import Documentation
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result
    from droppath_audit.core.waiver import Waived

SCHEMA_VERSION = "2.0"

HOLDS, FINDING, UNUSABLE, OPEN = 0, 1, 2, 3
SIGNALLED = 128
"""To which the number of a signal is added that ended an audit."""
EXIT_STATUSES = {
    HOLDS: "every MUST holds",
    FINDING: "at least one finding; the report is valid",
    UNUSABLE: (
        "usage, configuration or loading error; nothing was executed; no finding, but the audit ended early; or a "
        "report could not be written"
    ),
    OPEN: "no finding, but something stayed inconclusive",
    SIGNALLED + signal.SIGINT: "ended by SIGINT (Ctrl-C); the report says so and holds what finished",
    SIGNALLED + signal.SIGTERM: "ended by SIGTERM; the report says so and holds what finished",
}
"""Of an audit, with what each means."""
_BY_A_SIGNAL = re.compile(r"interrupted by (SIG[A-Z]+)")


def gravest(statuses: Iterable[int]) -> int:
    """Return the exit status of several audits: an interruption, a finding, nothing to go by, a question left open."""
    found = set(statuses)
    interrupted = sorted(status for status in found if status >= SIGNALLED)
    return next((status for status in (*interrupted, FINDING, UNUSABLE, OPEN) if status in found), HOLDS)


def concluded(number: int, ended_early: str, exit_status: int) -> str:
    """Return the verdict in a few words, by the number of findings, why it ended early, if it did, and the status."""
    if ended_early:
        found = f"; {number} finding{'s' if number > 1 else ''} so far" if number else ""
        return f"incomplete: {ended_early}{found}"
    return {
        HOLDS: "every MUST holds",
        FINDING: f"{number} finding{'s' if number > 1 else ''}",
        UNUSABLE: "nothing was executed",
        OPEN: "no finding, but something is inconclusive",
    }[exit_status]


def ended(counts: Mapping[str, int]) -> list[str]:
    """Return how trials ended, such as ``3 passed``, by their numbers; what none did is left out."""
    labels = {"pass": "passed", "fail": "failed", "error": "errors", "inconclusive": "inconclusive", "waived": "waived"}
    return [f"{counts[name]} {label}" for name, label in labels.items() if counts.get(name)]


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
        results: Every planned trial, in order; of an audit that ended early those that have a verdict.
        seconds: Wall time of the audit beyond the target's own import.
        incomplete: Why the audit ended early, such as ``interrupted by SIGINT``; empty where it did not.
        planned: Number of planned trials; by default that of the results.
        started: When it began, in UTC, as ISO 8601 writes it; empty where nobody noted it.
        commit: Of the repository in which the target's file lies; empty where it lies in none.
        documentation: Of the checks that are broken, by their ids.
        causes: The mistakes that explain what is broken, the gravest first.
        waivers: What became of each waiver of the target.
        expected: For an implementation with a name, whether this is what was expected of it; otherwise empty.
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
    started: str = ""
    commit: str = ""
    documentation: Mapping[str, Documentation] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    waivers: tuple[Waived, ...] = ()
    expected: str = ""

    @property
    def missing(self) -> int:
        """Number of planned trials that have no verdict."""
        return 0 if self.planned is None else max(0, self.planned - len(self.results))

    @property
    def ended_early(self) -> str:
        """Why not every planned trial has a verdict; empty where every one has."""
        return self.incomplete or (f"{self.missing} planned trials have no verdict" if self.missing else "")

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
        counts = {"planned": len(self.results) + self.missing, "run": len(self.results) - by_outcome["not-applicable"]}
        return counts | {str(outcome): by_outcome[str(outcome)] for outcome in Outcome}

    @property
    def levels(self) -> dict[str, dict[str, int]]:
        """Number of trials of each level that were run, and of each verdict among them."""
        ran = [result for result in self.results if result.outcome is not Outcome.NOT_APPLICABLE]
        found = {}
        for level in Level:
            by_outcome = Counter(str(result.outcome) for result in ran if result.level is level)
            found[str(level)] = {"run": by_outcome.total()} | {
                str(outcome): by_outcome[str(outcome)] for outcome in Outcome if outcome is not Outcome.NOT_APPLICABLE
            }
        return found

    @property
    def _unexamined(self) -> bool:
        """Whether nothing was run, or nothing that had to hold, though something that has to was asked for."""
        levels, ran = self.levels, self.counts["run"]
        asked = any(result.level is Level.MUST for result in self.results)
        return not ran or (asked and not levels[str(Level.MUST)]["run"])

    @property
    def verdict(self) -> Outcome:
        """``fail`` with a finding; ``inconclusive`` with an open question, an early end, no MUST run; else ``pass``."""
        if self.findings:
            return Outcome.FAIL
        return Outcome.INCONCLUSIVE if self.open or self.ended_early or self._unexamined else Outcome.PASS

    @property
    def exit_status(self) -> int:
        """0 every MUST holds, 1 a finding, 2 nothing was executed or an early end, 3 something stayed inconclusive.

        An audit that a signal ended has 128 and the number of the signal, whatever was found until then.
        """
        by = _BY_A_SIGNAL.match(self.incomplete)
        if by is not None and by.group(1) in signal.Signals.__members__:
            return SIGNALLED + signal.Signals[by.group(1)]
        if self.findings:
            return FINDING
        if self.ended_early or self._unexamined:
            return UNUSABLE
        return OPEN if self.open else HOLDS

    @property
    def conclusion(self) -> str:
        """The verdict in a few words."""
        return concluded(len(self.findings), self.ended_early, self.exit_status)

    def raise_for_findings(self) -> None:
        """Raise if the audit has findings, or ended early: what was not run has not passed.

        Raises:
            AuditFailed: With one line per finding.
        """
        if self.findings or self.ended_early:
            lines = [f"{result.trial.id}: {result.verdict.observed}" for result in self.findings]
            raise AuditFailed(visible("\n".join([f"{self.facts.spec}: {self.conclusion}", *lines])))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data; ``report/schema.json`` describes it, in a document of one or several."""
        facts = wire.dump(self.facts)
        dialect, environment = facts.pop("dialect"), facts.pop("environment")
        return {
            "target": facts,
            "commit": self.commit,
            "dialect": dialect,
            "environment": environment,
            "seed": self.seed,
            "budget": self.budget,
            "effort": self.effort,
            "strict": self.strict,
            "verdict": str(self.verdict),
            "exit_status": self.exit_status,
            "incomplete": self.ended_early,
            "started": self.started,
            "counts": self.counts,
            "levels": self.levels,
            "seconds": self.seconds,
            "expected": self.expected,
            "waivers": [waived.to_json() for waived in self.waivers],
            "causes": [cause.to_json() for cause in self.causes],
            "documentation": {check: told.to_json() for check, told in self.documentation.items()},
            "results": [result.to_json() for result in self.results],
        }
