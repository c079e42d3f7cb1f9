"""Something is kept of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

NAMES = ("append", "extend", "add", "insert", "appendleft", "setdefault", "update", "put")
OWNERS = ("builtins.", "collections.", "queue.")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that puts something into a list, a set or the like in every call."""
    calls = [call for call in story.plain() if call.training is not False]
    for call in calls[1:]:
        for foreign in call.foreign:
            if foreign.name in NAMES and foreign.owner.startswith(OWNERS):
                return Found(foreign.spot, f"{foreign.name} keeps something of every call", "Keep nothing, or so many.")
    return None
