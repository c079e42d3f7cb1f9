"""What x carries beside its values is taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

NAMES = ("as_subclass", "numpy", "tolist", "from_numpy", "as_tensor", "tensor", "data_ptr", "__array__")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that makes a plain tensor of x."""
    for call in story.plain():
        for foreign in call.foreign:
            if foreign.name in NAMES:
                return Found(
                    foreign.spot,
                    f"{foreign.name} takes the class off x, and all that it carries",
                    "Compute with x itself.",
                )
    return None
