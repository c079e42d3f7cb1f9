"""A decision of an earlier call is used again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing, source
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

_HOLDS = re.compile(r"[\w.]+(\.\w+|\[.*?\])(: [^=]+)? = |\w+ = [\w.]+\.\w+ = ")
MAKING = ("rsub", "sub", "add", "neg", "logical_not", "bitwise_not", "roll", "flip")
FIX = "Draw in every call what that call uses."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that drew what a later call uses without drawing, or that makes other numbers of it."""
    made = [operation for _, operation in drawing(story.calls)]
    for call in story.calls:
        own = {number for _, operation in drawing([call]) for one in operation.returned for number in one.draws}
        for operation in call.operations if call.interior else ():
            # What is written to x, by an earlier call, comes with it.
            old = sorted(operation.draws - own - (call.x.draws if call.x is not None else frozenset()))
            if not old:
                continue
            if operation.name.rstrip("_") in MAKING and not operation.of_x:
                return Found(operation.spot, f"{operation.name} makes numbers of those of an earlier call", FIX)
            if operation.of_x and not operation.draws & own:
                drawn = next((one for one in made if one.returned and old[0] in one.returned[0].draws), operation)
                held = next((spot for spot in drawn.stack if _HOLDS.match(source(spot))), drawn.stack[-1])
                return Found(held, f"{drawn.name} draws here, and a later call uses that", FIX)
    return None
