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
        drawn = [operation for _, operation in drawing([call]) if operation.returned]
        for operation in drawn:
            shape = operation.returned[0].shape
            first = asked.granularity != "sample" or not shape or shape[0] == wanted or len(shape) == 1
            of_line = [prod(one.returned[0].shape) for one in drawn if one.spot == operation.spot]
            total = sum(of_line)
            if (prod(shape) == wanted and first) or (len(of_line) > 1 and total == wanted):
                continue
            several = f" {len(of_line):,} times, {total:,} in all," if len(of_line) > 1 else ","
            return Found(
                operation.spot,
                f"{operation.name} draws {prod(shape):,} numbers{several} of shape {list(shape)}, for {wanted:,} "
                f"decisions: x has shape {list(call.x.shape)}",
                f"Draw {WHAT.get(asked.granularity, 'one a sample')}: torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)).",
            )
    return None
