"""Waiver: a broken promise that is known, with the reason why it does not fail the audit."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from droppath_audit.core.cause import Cause
    from droppath_audit.core.result import Result


@dataclass(frozen=True)
class Waiver:
    """What is known.

    It matches a finding by its check and its cause, and never by the trial, whose configuration changes with the seed.

    Attributes:
        check: Id of the check, or a pattern of ids such as ``DP20*``.
        reason: Why it does not fail the audit.
        until: The last day on which it holds; None for ever.
        target: The SPEC that it is about, or a pattern; empty for every one.
        kind: The kind of the cause; empty for every one.
        function: The function that the cause's line belongs to; empty for every one.
        line: The text of that line, without blanks around it; empty for every one.
        source: Where it was written down.
    """

    check: str
    reason: str
    until: date | None = None
    target: str = ""
    kind: str = ""
    function: str = ""
    line: str = ""
    source: str = ""

    def matches(self, result: Result, cause: Cause | None) -> bool:
        """Return whether it covers a broken trial that a cause explains."""
        if not fnmatchcase(result.trial.check, self.check):
            return False
        if cause is None:
            return not (self.kind or self.function or self.line)
        held = ((self.kind, cause.kind), (self.function, cause.place.function), (self.line, cause.place.text))
        return all(not wanted or wanted == found for wanted, found in held)

    def covers(self, spec: str) -> bool:
        """Return whether it is about a target."""
        return not self.target or self.target == spec or fnmatchcase(spec, self.target)

    def expired(self, today: date) -> bool:
        """Return whether its last day is over."""
        return self.until is not None and today > self.until


@dataclass(frozen=True)
class Waived:
    """What became of a waiver in an audit.

    Attributes:
        waiver: Which.
        trials: Ids of the broken trials that it covers.
        expired: Whether its last day is over, so that they fail all the same.
    """

    waiver: Waiver
    trials: tuple[str, ...]
    expired: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, with the names of the JSON report."""
        return {
            "check": self.waiver.check,
            "reason": self.waiver.reason,
            "until": "" if self.waiver.until is None else self.waiver.until.isoformat(),
            "kind": self.waiver.kind,
            "function": self.waiver.function,
            "line": self.waiver.line,
            "source": self.waiver.source,
            "trials": list(self.trials),
            "expired": self.expired,
        }
