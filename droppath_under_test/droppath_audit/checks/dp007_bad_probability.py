"""DP007 bad-probability: a drop_prob that is no probability is refused, with its value in the message.

What it checks
    -0.1, 1.5, NaN, the text 'half' and None are given as the probability (of a keep_prob: 1.1, -0.5, NaN, 'half',
    None). The constructor or the first training call must raise ValueError or TypeError, and the message must show
    the value.
Why it matters
    A schedule that is off by one produces -0.1 or 1.5, an empty field in a configuration None. Accepted in silence they
    drop nothing, everything, or flip signs, and training goes on.
How to fix
    Validate in the constructor: if not 0.0 <= drop_prob <= 1.0, raise ValueError with the value. NaN fails that
    comparison as well.
Seen in
    Every layer of the floor(keep_prob + rand) family, which takes -0.1, 1.5 and NaN without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 4

# By the text that stands in evidence and scripts.
VALUES: dict[str, Any] = {"-0.1": -0.1, "1.5": 1.5, "nan": float("nan"), "'half'": "half", "None": None}


@dataclass(frozen=True)
class Reaction:
    """What a value was answered with: the exception's kind and message, empty where there was none."""

    value: str
    kind: str
    message: str

    @property
    def shown(self) -> tuple[str, ...]:
        """What of the value must stand in the message; a keep_prob shows 1 minus it."""
        if self.value in ("-0.1", "1.5"):
            return self.value, repr(1.0 - float(self.value))
        return (self.value.strip("'").lower(),)

    @property
    def complaint(self) -> str:
        """What is wrong with it, or an empty text."""
        if not self.kind:
            return f"{self.value} is accepted"
        if self.kind not in ("ValueError", "TypeError"):
            return f"{self.value} gives {self.kind}"
        if not any(value in self.message.lower() for value in self.shown):
            return f"{self.value} gives {self.kind} without the value"
        return ""


@dataclass(frozen=True)
class Seen:
    """The reaction to every value."""

    reactions: tuple[Reaction, ...]


class BadProbability(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float64",))  # arguments know no dtype
    driven = "it must be asked for a drop_prob that is none"
    mutants = ("accepts_any_probability", "refuses_without_a_word")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Construct and call the target with each value."""
        x = probe.ones(probe.shape(BATCH))
        reactions = []
        for text, value in VALUES.items():
            kind = message = ""
            try:
                probe.target.make(value)(x, training=True)
            except TargetRaised as error:
                kind, message = error.kind, error.text
            reactions.append(Reaction(text, kind, message))
        return Seen(tuple(reactions))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single value that is not refused in the right words."""
        complaints = [reaction.complaint for reaction in seen.reactions if reaction.complaint]
        if complaints:
            return Verdict.failed("; ".join(complaints))
        return Verdict.passed(f"{len(seen.reactions)} of {len(seen.reactions)} values are refused")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Give the target the first value that went wrong."""
        first = next(reaction for reaction in seen.reactions if reaction.complaint)
        script.imports("from math import nan")
        with script.under("try:"):
            script.plain(VALUES[first.value], script.shape(BATCH))
        script.add(
            "except (ValueError, TypeError) as error:",
            "    print(error)",
            f"    assert any(value in str(error).lower() for value in {first.shown!r})",
            "except Exception as error:",
            "    raise AssertionError('neither ValueError nor TypeError') from error",
            "else:",
            f"    raise AssertionError({f'{first.value} is accepted'!r})",
        )
