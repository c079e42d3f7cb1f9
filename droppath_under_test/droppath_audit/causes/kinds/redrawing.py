"""A decision is drawn twice, and the second draw depends on the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws again what was drawn before, in a call where others draw once."""
    calls = story.interior()
    numbers = {call.spot: min(len(list(drawing([one]))) for one in calls if one.spot == call.spot) for call in calls}
    for call in calls:
        drawn = [operation for _, operation in drawing([call])]
        if len(drawn) <= numbers[call.spot] or numbers[call.spot] < 1:
            continue
        again = drawn[numbers[call.spot]]
        before = {spot for operation in drawn[: numbers[call.spot]] for spot in operation.stack}
        at = next((spot for spot in reversed(again.stack) if spot not in before), again.spot)
        return Found(
            at,
            f"{again.name} draws again here, where other calls draw once: what was drawn first is thrown away",
            "Keep every decision as it was drawn.",
        )
    return None
