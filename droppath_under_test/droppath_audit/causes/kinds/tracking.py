"""A graph is begun where nobody asked for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Leave that to the caller."
NAMES = ("requires_grad_", "requires_grad", "retain_grad", "Parameter")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line of a call that asks for a gradient."""
    for call in story.plain():
        for foreign in call.foreign:
            if foreign.name in NAMES or (foreign.name == "__new__" and foreign.owner.endswith("nn.parameter")):
                return Found(foreign.spot, "a gradient is asked for here, of what nobody tracks", FIX)
        for operation in call.operations:
            made = operation.returned[0] if operation.returned else None
            if made is not None and made.tracked and not made.of_x and not any(one.tracked for one in operation.given):
                return Found(operation.spot, "what is made here is tracked", FIX)
    return None
