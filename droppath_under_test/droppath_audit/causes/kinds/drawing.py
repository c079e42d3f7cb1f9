"""Where the deciding numbers are drawn: all that is known of a law that is broken in no way that has a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws first."""
    for call, operation in drawing(story.plain()):
        if operation.returned and call.training is not False:
            drawn, several = operation.returned[0], len(list(drawing([call]))) > 1
            return Found(
                operation.stack[-1] if several else operation.spot,
                f"{operation.name} draws the deciding numbers here, in {drawn.dtype}, of shape {list(drawn.shape)}",
                "Draw one number a sample from the framework's generator, in float32 or wider.",
            )
    return None
