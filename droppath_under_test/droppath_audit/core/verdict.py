"""Verdict: what a judge says of evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from droppath_audit.core.level import Level

SWAPPED = "drop and keep are swapped"
"""A hint, which an audit completes with the argument that it is about."""


class Outcome(str, Enum):
    """The verdicts a trial can end with; ``waived`` is a failure or an error that is known."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"
    WAIVED = "waived"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Verdict:
    """What follows from one trial's evidence.

    Attributes:
        outcome: One of the verdicts.
        observed: What was seen, in words and numbers; for a statistic with its interval.
        promised: What should have been seen; empty where the check's own promise says it already.
        p_value: Probability, for a correct target, of evidence at least this strong against it; for a certificate
            min(1, 1/e). None for deterministic checks.
        hint: What to try, where the evidence itself suggests it (the option that declares another dialect).
        level: What a failure weighs where that is not the check's level: less, of a promise that is broken by little;
            more, of one that the check comes upon and that weighs more than its own. None for the check's own.
        brief: What the report says beside the check, in a few words; empty for nothing.

    Raises:
        ValueError: If the p-value is NaN, which compares as a pass at every level.
    """

    outcome: Outcome
    observed: str = ""
    promised: str = ""
    p_value: float | None = None
    hint: str = ""
    level: Level | None = None
    brief: str = ""

    def __post_init__(self) -> None:
        if self.p_value is not None and math.isnan(self.p_value):
            raise ValueError("a p-value that is not a number judges nothing")

    @classmethod
    def passed(cls, observed: str = "", *, p_value: float | None = None) -> Verdict:
        """Return a pass."""
        return cls(Outcome.PASS, observed, p_value=p_value)

    @classmethod
    def failed(
        cls,
        observed: str,
        *,
        promised: str = "",
        p_value: float | None = None,
        hint: str = "",
        level: Level | None = None,
    ) -> Verdict:
        """Return a failure."""
        return cls(Outcome.FAIL, observed, promised, p_value, hint, level)

    @classmethod
    def inconclusive(cls, observed: str, *, p_value: float | None = None) -> Verdict:
        """Return an inconclusive verdict: nothing wrong was shown, but the promised resolution was not reached."""
        return cls(Outcome.INCONCLUSIVE, observed, p_value=p_value)

    @classmethod
    def not_applicable(cls, reason: str) -> Verdict:
        """Return a not-applicable verdict with its reason."""
        return cls(Outcome.NOT_APPLICABLE, reason)

    @classmethod
    def error(cls, observed: str, *, promised: str = "") -> Verdict:
        """Return an error: the target raised, crashed or hung where it must not."""
        return cls(Outcome.ERROR, observed, promised)
