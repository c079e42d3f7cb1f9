"""Something that the whole process shares is changed, and left so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Do without it, or put back what was there, also where the call raises."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line after which it had changed."""
    for call in story.calls:
        for spot, changed in call.left:
            return Found(spot, f"this line changes {', '.join(changed)}, which the whole process shares", FIX)
    return None
