"""Not as many numbers are drawn as there are decisions to make."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

WHAT = {"sample": "one a sample", "batch": "one a call", "element": "one an element", "channel": "one a channel"}


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws another number of numbers than the granularity promises."""
    for call in story.interior():
        if call.x is None or not call.x.shape:
            continue
        wanted = {
            "batch": 1,
            "element": prod(call.x.shape),
            "channel": prod(call.x.shape[:2]),
        }.get(asked.granularity, call.x.shape[0])
        for _, operation in drawing([call]):
            if not operation.returned:
                continue
            shape = operation.returned[0].shape
            first = asked.granularity != "sample" or not shape or shape[0] == wanted or len(shape) == 1
            if prod(shape) == wanted and first:
                continue
            return Found(
                operation.spot,
                f"{operation.name} draws {prod(shape):,} numbers, of shape {list(shape)}, for {wanted:,} decisions: "
                f"x has shape {list(call.x.shape)}",
                f"Draw {WHAT.get(asked.granularity, 'one a sample')}: torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)).",
            )
    return None
