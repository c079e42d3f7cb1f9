"""A decision is drawn twice, and the second draw depends on the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Call, Story


def _alike(call: Call) -> object:
    """Return what a condition could look at beside what was drawn."""
    x = call.x and (call.x.shape, call.x.dtype, call.x.device, call.x.strides, call.x.tracked)
    return call.spot, call.drop_prob, call.graph, x


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws again what was drawn before, in a call where others like it draw once."""
    calls = story.interior()
    drawn = [[operation for _, operation in drawing([call])] for call in calls]
    least: dict[object, int] = {}
    for call, operations in zip(calls, drawn, strict=True):
        least[_alike(call)] = min(len(operations), least.get(_alike(call), len(operations)))
    for call, operations in zip(calls, drawn, strict=True):
        usual = least[_alike(call)]
        if len(operations) <= usual or usual < 1:
            continue
        first, again = operations[:usual], operations[usual]
        before = {spot for operation in first for spot in operation.stack}
        at = next((spot for spot in reversed(again.stack) if spot not in before), again.spot)
        numbers = frozenset[int]().union(*(made.draws for operation in first for made in operation.returned))
        used = call.returned is not None and numbers & call.returned.draws
        what = "which of the two counts depends on what was drawn" if used else "what was drawn first is thrown away"
        return Found(
            at,
            f"{again.name} draws again here, where other calls draw once: {what}",
            "Keep every decision as it was drawn.",
        )
    return None
