"""Shape, dtype, device or strides depart from those of x."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story
    from droppath_audit.frameworks.witness import Seen

FIXES = {
    "shape": "Give the mask the shape (B, 1, …, 1), with as many axes as x has.",
    "dtype": "Make the mask, and what is added, of x's dtype before it meets x.",
    "device": "Make the mask where x is: device=x.device.",
    "strides": "Return what an operation on x makes as it is, without contiguous() or reshaping.",
}


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line at which what becomes the output first differs from x in what the output differs in."""
    for call in story.plain():
        if call.x is None or call.returned is None:
            continue
        for what in FIXES:
            wanted = getattr(call.x, what)
            meant = what != "strides" or (_of_strides(asked) and _promised(call.x, call.returned))
            if getattr(call.returned, what) == wanted or not meant:
                continue
            for operation in call.operations:
                from_x = [one for one in operation.given if one.of_x]
                made = [one for one in operation.returned if one.of_x]
                if from_x and made and _like(from_x, what, wanted) and not _like(made, what, wanted):
                    now = getattr(made[0], what)
                    return Found(
                        operation.spot,
                        f"{operation.name} returns {what} {_said(now)}, where x has {_said(wanted)}",
                        FIXES[what],
                        mistake=f"departing {what}",
                    )
            return None
    return None


def _of_strides(asked: Asked) -> bool:
    """Return whether other strides can be what was observed: values, decisions and gradients do not depend on them."""
    return "stride" in asked.message or not asked.message


def _promised(x: Seen, returned: Seen) -> bool:
    """Return whether the output must have x's strides: x fills its memory without overlap, as DP006 asks it."""
    following = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.strides, x.shape, strict=True) if size > 1):
        if stride != following:
            return False
        following *= size
    return returned.shape == x.shape


def _like(tensors: list[Seen], what: str, wanted: object) -> bool:
    return any(getattr(one, what) == wanted for one in tensors)


def _said(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
