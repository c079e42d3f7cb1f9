"""Numbers, or decisions, are used more than once, or in another order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Operation, Story

ARRANGING = {
    "cat", "stack", "roll", "flip", "repeat", "index", "index_select", "gather", "select", "expand", "sort",
    "repeat_interleave", "cumsum", "scatter", "scatter_", "slice", "take", "topk", "unfold", "tile", "index_put_",
    "cumprod",
}  # fmt: skip
FIX = "Let one number decide one sample: draw as many as there are samples, and use each once, in its place."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the first line that arranges what was drawn anew; one that takes a part, where that is all."""
    for call in story.interior():
        found = [one for one in call.operations if one.name in ARRANGING and not one.random and _arranges(one)]
        if found:
            first = next((one for one in found if one.name not in ("slice", "select")), found[0])
            return Found(
                first.spot, f"{first.name} arranges what was drawn anew: samples share numbers, or swap them", FIX
            )
    return None


def _arranges(operation: Operation) -> bool:
    drawn = [one for one in operation.given if one.draws and not one.of_x]
    if not drawn or not operation.returned or operation.of_x:
        return False
    before, after = drawn[0], operation.returned[0]
    if operation.name == "select" and prod(before.shape) == prod(after.shape):
        return False  # the one number that there is
    if operation.name in ("slice", "expand"):
        # Along other axes than the first a mask is spread, as it is to be.
        same = before.shape[:1] == after.shape[:1] and bool(before.shape)
        return not same and prod(before.shape) != prod(after.shape)
    return True
