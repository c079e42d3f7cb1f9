"""The SPEC of a schedule: the function, and which of its arguments means what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from droppath_audit.core.errors import UsageError
from droppath_audit.models.spec import rule_named
from droppath_audit.targets.spec import items_apart, parse

if TYPE_CHECKING:
    from droppath_audit.targets.spec import Spec
    from droppath_audit.targets.words import Meaning

Counted = Literal["total", "stages"]
"""How the number of blocks is told: as one number, or as a list of one number for each stage."""
ITEMS = ("schedule", "depth", "index", "gives")


@dataclass(frozen=True)
class ScheduleSpec:
    """A parsed SPEC of a schedule.

    Attributes:
        text: As it was given, with every item.
        target: The function, with the arguments that it is given.
        rule: The rule that it is to follow; empty where none was declared.
        depth: The argument that is the number of blocks; empty where it is to be read from names.
        counted: How that is told; None where it is to be read.
        index: The argument that says which block, of a function that gives one rate; empty where names decide.
        first: What that is for the first block.
        gives: Whether it returns drop or keep probabilities; None where it is to be read.
    """

    text: str
    target: Spec
    rule: str = ""
    depth: str = ""
    counted: Counted | None = None
    index: str = ""
    first: int = 0
    gives: Meaning | None = None


def parse_schedule(text: str) -> ScheduleSpec:
    """Parse the SPEC of a schedule.

    Raises:
        UsageError: If it is none, or an item has no such value.
    """
    rest, own = items_apart(text, ITEMS)
    target = parse(rest)
    if target.is_recording:
        raise UsageError(f"{target.module} is a recording, and no schedule.")
    depth, counted = _depth(own.get("depth", ""))
    index, first = _index(own.get("index", ""))
    rule, gives = rule_named(own.get("schedule", "")), _gives(own.get("gives", ""))
    return ScheduleSpec(text.strip(), target, rule, depth, counted, index, first, gives)


def _depth(value: str) -> tuple[str, Counted | None]:
    name, _, counted = value.partition(":")
    if value and (not name.isidentifier() or counted not in ("", "total", "stages")):
        raise UsageError(
            f"depth={value} does not say which argument is the number of blocks; write depth=NAME:total, or "
            "depth=NAME:stages for a list of one number for each stage."
        )
    return name, "stages" if counted == "stages" else "total" if counted == "total" else None


def _index(value: str) -> tuple[str, int]:
    found = re.fullmatch(r"([^\W\d]\w*)(?::([0-9]))?", value)
    if value and found is None:
        raise UsageError(
            f"index={value} does not say which argument is the number of a block; write index=NAME, or index=NAME:1 "
            "where the first block is 1."
        )
    return (found[1], int(found[2] or 0)) if found else ("", 0)


def _gives(value: str) -> Meaning | None:
    if value not in ("", "drop", "keep"):
        raise UsageError(f"gives={value} is not understood; a schedule gives drop or keep probabilities.")
    return "drop" if value == "drop" else "keep" if value == "keep" else None
