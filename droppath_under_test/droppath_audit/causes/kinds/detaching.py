"""The graph is cut: what comes from x is taken out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Compute the output from x itself; detach what is kept for statistics alone."
SELECT = "Select what is kept of x with torch.where, also where nothing is: what is returned is then connected to x."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line at which x, tracked, goes on untracked."""
    for call in story.plain():
        tracked = call.x is not None and call.x.tracked and call.graph
        if not tracked or call.returned is None or call.returned.tracked:
            continue
        for operation in call.operations:
            if not operation.of_x or not operation.returned or operation.returned[0].dtype == "bool":
                continue
            if operation.name in ("detach", "detach_"):
                return Found(operation.spot, "x is detached from the graph here", FIX)
            if not operation.graph:
                return Found(operation.spot, f"{operation.name} runs where no gradients are recorded", FIX)
            if all(not one.tracked for one in operation.given if one.of_x):
                return Found(operation.spot, f"what {operation.name} is given of x is not tracked any more", FIX)
        made = [one for one in call.operations if one.returned and one.returned[0].key == call.returned.key]
        if made and not made[-1].returned[0].of_x and not asked.mask:
            # Later ones hand on what the first has made.
            return Found(made[0].spot, f"{made[0].name} makes the output, which is not computed from x", SELECT)
    return None
