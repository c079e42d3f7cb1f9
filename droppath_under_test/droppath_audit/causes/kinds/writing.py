"""x is written to: an operation works in place on its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the first line that writes to memory of x."""
    for call in story.plain():
        for operation in call.operations:
            if {one.key for one in call.given} & set(operation.writes):
                return Found(
                    operation.spot,
                    f"{operation.name} works in place, on memory of what the caller has given",
                    "Use the operation that returns a new tensor, or copy x first.",
                )
    return None
