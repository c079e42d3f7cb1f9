"""Where decisions meet x: all that is known of values that are wrong in no way that has a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import meeting
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line at which x meets what was drawn."""
    for call in story.plain():
        found = meeting(call)
        if found is not None:
            return Found(
                found.spot,
                f"{found.name} applies the decisions to x here",
                "Select with torch.where between x and zeros, and divide what is kept by keep_prob.",
            )
    return None
