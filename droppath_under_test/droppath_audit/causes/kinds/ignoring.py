"""Decisions that are applied were not drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import meeting
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that makes the mask which a call in training applies, where that comes from no draw."""
    for call in story.interior():
        if meeting(call) is not None:
            continue
        for operation in call.operations:
            masks = [one for one in operation.given if one.dtype == "bool" and not one.draws and not one.of_x]
            if not operation.of_x or not masks:
                continue
            making = (one for one in call.operations if one.returned and one.returned[0].key == masks[0].key)
            at = next(making, operation)
            return Found(
                at.spot,
                f"{at.name} makes the mask, which comes from no random number",
                "Draw one number a sample in every call, and decide by it.",
            )
    return None
