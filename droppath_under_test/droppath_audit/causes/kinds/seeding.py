"""A generator is seeded by the code under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Foreign, Story

SEEDS = ("manual_seed", "manual_seed_all", "seed", "set_rng_state", "set_state", "fork_rng", "setstate", "default_rng")
FIX = "Draw from the framework's own generator, and leave it to the program to seed that."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that seeds."""
    for call in story.calls:
        for foreign in call.foreign:
            if foreign.name in SEEDS and _random(foreign):
                which = "a generator of its own" if "Generator" in foreign.owner else "a generator"
                return Found(foreign.spot, f"{which} is seeded here, by {foreign.name}", FIX)
    return None


def _random(foreign: Foreign) -> bool:
    return any(part in foreign.owner.lower() for part in ("random", "generator", "torch", "numpy"))
