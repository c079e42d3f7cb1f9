"""Numbers, or decisions, are written over after they were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Operation, Story

NAMES = ("fill_", "copy_", "index_put_", "zero_", "masked_fill_", "pow_", "mul_", "index_fill_", "__setitem__")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that writes over a part of what was drawn."""
    for call in story.interior():
        own = {number for one in call.operations if one.random for made in one.returned for number in made.draws}
        for operation in call.operations:
            if operation.name in NAMES and not operation.random and _over(operation, own):
                return Found(
                    operation.spot,
                    f"{operation.name} writes over what was drawn: these samples are not decided by chance",
                    "Leave every decision as it was drawn.",
                )
    return None


def _over(operation: Operation, own: set[int]) -> bool:
    """Return whether it writes over numbers that this call has drawn, other than with what was made of them."""
    written = [one for one in operation.given if one.key in operation.writes]
    others = [one for one in operation.given if one.key not in operation.writes]
    return any(
        one.draws & own and not one.of_x and not any(one.draws & other.draws for other in others) for one in written
    )
