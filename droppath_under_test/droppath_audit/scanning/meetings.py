"""What values of a function are made of, and where what was drawn meets the input."""

from __future__ import annotations

from dataclasses import dataclass, field

from droppath_audit.scanning.extents import ELEMENT, ONE, SAMPLE, SHARED, UNKNOWN

Tags = frozenset[str]
INPUT, MODE, ONES, LAW, NULL = "input", "mode", "ones", "law", "null"
PATH, PROB, WEAK = "path", "prob", "weak"
SUBSET, DROPOUT = "subset", "dropout"
DRAWN = frozenset({ONE, SAMPLE, SHARED, ELEMENT, UNKNOWN, SUBSET})
NOTHING: Tags = frozenset()
NAMED_LAYER = "named layer"


@dataclass(frozen=True)
class Meeting:
    """A place where what was drawn decides about the input.

    Attributes:
        kind: ``product``, ``selection``, ``gate`` (a branch of the code) or ``dropout`` (of the input itself).
        tags: What the draw is made of.
        looped: Whether it is in a loop.
        depth: Calls between the function and the place; 0 in itself.
    """

    kind: str
    tags: Tags
    looped: bool = False
    depth: int = 0


@dataclass
class Seen:
    """What was seen in a function.

    Attributes:
        meetings: Where a draw and the input meet.
        passed_on: Functions, methods and layers that are called with the input, as they are written, unless followed.
        followed: Functions and methods of the same file that are called with the input.
        returned: What it returns is made of.
        moded: Whether a mode is asked for.
    """

    meetings: list[Meeting] = field(default_factory=list)
    passed_on: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    returned: Tags = NOTHING
    moded: bool = False
