"""x is changed where it is to come back as it is."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Return x itself there."
PARTS = ("slice", "select", "index", "index_select", "narrow", "split", "chunk", "unbind")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the first line that makes other values of x in evaluation, or at drop_prob = 0."""
    for call in story.plain():
        if not call.keeps_all:
            continue
        where = "in evaluation" if call.training is False else "at drop_prob = 0"
        for operation in call.operations:
            parts = [one for one in operation.given if one.of_x and operation.name in PARTS]
            if parts and operation.returned and prod(operation.returned[0].shape) < prod(parts[0].shape):
                return Found(operation.spot, f"{operation.name} leaves out a part of x {where}", FIX)
            if operation.changes:
                return Found(operation.spot, f"{operation.name} changes the values of x {where}", FIX)
    return None
