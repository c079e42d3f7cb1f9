"""The rows of a covering array for one target, drawn from a seed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from droppath_audit.space.covering import covering
from droppath_audit.space.factors import ASKED, Factors, factors_of

if TYPE_CHECKING:
    from droppath_audit.core.configuration import Configuration
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts


def planned(facts: Facts, device: str, effort: Effort, seed: int) -> tuple[Configuration, ...]:
    """Return the configurations of a target in which any two classes meet, any three at effort thorough."""
    dtypes = tuple(
        dtype
        for dtype in facts.dtypes or ASKED
        if dtype in ASKED and dtype in facts.devices[device] and dtype not in facts.refused
    )
    if not dtypes:
        return ()
    factors = factors_of(facts, dtypes)
    return _drawn(tuple(factors.classes.items()), factors.fixed, seed, effort.pick(2, 2, 3))


@lru_cache(maxsize=4)  # two checks ask for the same rows
def _drawn(
    classes: tuple[tuple[str, tuple[str, ...]], ...], fixed: tuple[int, ...] | None, seed: int, strength: int
) -> tuple[Configuration, ...]:
    rng, factors = np.random.default_rng([seed, crc32(b"DP114")]), Factors(dict(classes), fixed)  # on every device
    rows, _ = covering(factors.classes, factors.allowed, rng, strength=strength, frugal=("elements",))
    return tuple(factors.drawn(row, rng) for row in rows)
