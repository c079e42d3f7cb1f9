"""A backward pass of the target's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import condition
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Let the framework differentiate, or use the forward pass's own mask and factor, saved with the context."


def find(story: Story, asked: Asked) -> Found | None:
    """Return its line that draws, or else the last that computes."""
    for call in story.calls:
        if not call.backward:
            continue
        drawn = next((one for one in call.operations if one.random), None)
        if drawn is not None:
            return Found(drawn.stack[-1], f"{drawn.name} draws again in the backward pass", FIX)
        if not call.operations:
            at = condition(call)
            if at is not None:
                return Found(at, "a backward pass of the target's own returns what it was given", FIX)
            continue
        last = call.operations[-1]
        return Found(last.spot, f"{last.name} makes the gradient in a backward pass of the target's own", FIX)
    return None
