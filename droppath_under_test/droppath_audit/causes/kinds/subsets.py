"""Decisions come from a draw in which samples are not decided one by one: a permutation, or another distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

JOINT = ("randperm", "multinomial")
OTHER = ("normal", "normal_", "randn", "randn_like", "exponential_", "poisson", "geometric_", "cauchy_", "log_normal_")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws a subset, or numbers that are not uniform."""
    for _, operation in drawing(story.interior()):
        if operation.name in JOINT:
            return Found(
                operation.spot,
                f"{operation.name} draws a subset: how many samples are kept is not left to chance",
                "Decide every sample by a number of its own.",
            )
    for _, operation in drawing(story.interior()):
        if operation.name in OTHER:
            return Found(
                operation.spot,
                f"{operation.name} draws numbers that are not uniform",
                "Draw uniform numbers, or with bernoulli_.",
            )
    return None
