"""Cause: a mistake in the code under test, at the line where it arises, and the broken promises that it explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from droppath_audit.core.level import Level

DEFINITION = "definition"
"""The kind of a cause for which no experiment found a line: it stands at the definition of the target."""


@dataclass(frozen=True)
class Place:
    """A line of source.

    Attributes:
        file: Path of the file; empty where nobody knows it.
        line: Its number, counted from 1; 0 where nobody knows it.
        function: Name of the function that it belongs to, with its class.
        text: The line itself, without the blanks around it.
        around: Number and text of up to two lines before it, the line, and up to two after it.
    """

    file: str = ""
    line: int = 0
    function: str = ""
    text: str = ""
    around: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Cause:
    """One mistake.

    Attributes:
        kind: Name of the file in ``causes/kinds`` that found it; ``definition`` where no experiment found a line, and
            ``known`` where it was written down for an implementation in the wild.
        place: Where it arises.
        sentence: What happens there.
        fix: What to change.
        level: The gravest of what it explains.
        trials: Ids of the broken trials that it explains, in the order of the plan.
        telling: Id of the one whose observation says most.
    """

    kind: str
    place: Place
    sentence: str
    fix: str
    level: Level
    trials: tuple[str, ...]
    telling: str

    @property
    def checks(self) -> tuple[str, ...]:
        """Ids of the checks that it explains, in order."""
        return tuple(dict.fromkeys(trial.partition("[")[0] for trial in self.trials))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, with the names of the JSON report."""
        place = self.place
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "fix": self.fix,
            "level": str(self.level),
            "file": place.file,
            "line": place.line,
            "function": place.function,
            "text": place.text,
            "around": [list(line) for line in place.around],
            "checks": list(self.checks),
            "trials": list(self.trials),
            "telling": self.telling,
        }
