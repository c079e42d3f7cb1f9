"""Another generator is asked than the framework's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import asks_another, drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Draw with the framework's own generator, on x's device: its seed then fixes the masks, in checkpointing too."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that asks it."""
    for call in story.calls:
        if call.constructs:
            continue
        for foreign in call.foreign:
            if asks_another(foreign):
                return Found(foreign.spot, f"{foreign.owner}, which the framework does not seed, is asked here", FIX)
    for call, operation in drawing(story.calls):
        if operation.own_generator:
            return Found(operation.spot, f"{operation.name} asks a generator that is not the framework's default", FIX)
        drawn = operation.returned[0].device if operation.returned else ""
        if call.x is not None and drawn and drawn != call.x.device:
            return Found(operation.spot, f"{operation.name} draws on {drawn}, where x is on {call.x.device}", FIX)
    return None
