"""Decisions look at x."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

NAMES = ("sum", "mean", "norm", "abs", "amax", "amin", "max", "min", "std", "var", "square", "sign")
VIEWS = ("view", "select", "slice", "unbind", "reshape", "squeeze", "unsqueeze", "expand", "as_strided", "_unsafe_view")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the first line that compares, sorts or adds up values of x, of which decisions are made."""
    for call in story.calls:
        for operation in call.operations:
            made = operation.returned[0] if operation.returned else None
            if made is None or not made.of_x or operation.random or call.x is None:
                continue
            small = made.shape != call.x.shape and len(made.shape) <= len(call.x.shape)
            judges = made.dtype in ("bool", "int64") or operation.name in NAMES
            if judges or (small and not operation.draws and operation.name not in VIEWS):
                return Found(
                    operation.spot,
                    f"{operation.name} looks at values of x, on which decisions then depend",
                    "Decide by random numbers alone, one a sample.",
                )
    return None
