"""The target raises: the innermost of its own lines is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

SAID = "this line raises "
FIX = "Take what the check hands over here, or refuse it clearly."
REFUSALS = ("ValueError", "TypeError")
"""What a layer raises where it refuses an argument, as some checks want it to."""


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that raised, or called what raised; where a script goes on, that of the last call that did."""
    raised = (story.raised, story.said, story.spot) if story.spot is not None else None
    for call in reversed(story.calls):
        if raised is None and call.raised is not None and not (asked.refusing and call.raised[0] in REFUSALS):
            raised = call.raised
    if raised is None or raised[2] is None:
        return None
    kind, text, spot = raised
    if asked.message and kind not in asked.message:
        return None  # the script ends there, and what was observed is something else
    first = (text.strip().splitlines() or [""])[0]
    said = f"{kind}: {first}" if first else kind
    return Found(spot, f"{SAID}{said}", FIX)
