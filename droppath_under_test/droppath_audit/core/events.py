"""Events of a running audit; writers and progress bars consume them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.report import Report
    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial


@dataclass(frozen=True)
class AuditStarted:
    """The target is loaded and the plan is made."""

    facts: Facts
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class TrialFinished:
    """One trial has its verdict."""

    result: Result


@dataclass(frozen=True)
class ScriptsStarted:
    """Every trial has its verdict, and the scripts that the report will print are run."""


@dataclass(frozen=True)
class AuditFinished:
    """Every trial has its verdict."""

    report: Report


Event = AuditStarted | TrialFinished | ScriptsStarted | AuditFinished
