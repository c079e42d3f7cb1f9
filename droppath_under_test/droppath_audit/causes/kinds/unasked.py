"""Numbers are drawn where nothing is to be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import asks_another, drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Return x at once in evaluation, and at drop_prob = 0, before anything is drawn."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws in evaluation, or at drop_prob = 0, of the function that was called.

    That function is told the mode; one that it calls may draw for others as well.
    """
    for call in story.calls:
        if not call.keeps_all:
            continue
        where = "in evaluation" if call.training is False else "at drop_prob = 0"
        for _, operation in drawing([call]):
            return Found(operation.stack[-1], f"{operation.name} draws {where}", FIX)
        for foreign in call.foreign:
            if asks_another(foreign):
                return Found(foreign.spot, f"{foreign.name} draws {where}", FIX)
    return None
