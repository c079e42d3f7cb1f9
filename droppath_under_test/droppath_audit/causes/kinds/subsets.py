"""Decisions come from a draw in which samples are not decided one by one: a permutation, or another distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

KINDS = (
    (
        ("randperm", "multinomial"),
        "draws a subset: how many samples are kept is not left to chance",
        "Decide every sample by a number of its own.",
    ),
    (
        ("normal", "normal_", "randn", "randn_like", "exponential_", "poisson", "geometric_", "cauchy_", "log_normal_"),
        "draws numbers that are not uniform",
        "Draw uniform numbers, or with bernoulli_.",
    ),
)
"""Names of operations, what they do, and what to do instead; a subset says more than another distribution."""


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws a subset, or numbers that are not uniform."""
    for names, does, fix in KINDS:
        for _, operation in drawing(story.interior()):
            if operation.name in names:
                return Found(operation.spot, f"{operation.name} {does}", fix)
    return None
