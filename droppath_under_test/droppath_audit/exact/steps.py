"""Steps: a function of ordered ranks that takes few values, found exactly from few evaluations.

Small alphabets are evaluated whole. On larger ones a grid and random ranks show where the outcome changes, and
every gap across which it does is divided until the change is known to the rank. What changes and changes back
between two ranks of the grid would stay unseen: a mask that is a threshold, or the floor of a sum, does not, and that
the outcomes of the grid rise or fall throughout is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Ranks = npt.NDArray[np.int64]
    Outcomes = npt.NDArray[np.float64]
    Evaluate = Callable[[Ranks], Outcomes]

WHOLE = 2**16  # ranks that are evaluated one and all
WHOLE_IF_COSTLY = 64
GRID, AT_RANDOM, AT_ENDS = 4096, 1024, 64
CHANGES = 64  # beyond which it is no step function


@dataclass(frozen=True, eq=False)
class Steps:
    """Outcome i belongs to the ranks from ``starts[i]`` up to, not including, ``starts[i + 1]``.

    Attributes:
        starts: Ascending, from 0.
        outcomes: As many; neighbours differ.
        whole: Whether every rank was evaluated.
    """

    starts: Ranks
    outcomes: Outcomes
    whole: bool


def steps(evaluate: Evaluate, size: int, rng: np.random.Generator, *, costly: bool = False) -> Steps:
    """Return the steps of a function of the ranks 0 … size - 1.

    Args:
        evaluate: Ranks to outcomes, both of shape (n,).
        size: Number of ranks.
        rng: Chooses the random ones.
        costly: Whether each evaluation is one call of the target.

    Raises:
        NotApplicable: If the outcomes are too many for a mask, or neither rise nor fall on a large alphabet.
    """
    if size <= (WHOLE_IF_COSTLY if costly else WHOLE):
        return _whole(evaluate, size)
    share = 64 if costly else 1
    ends = np.arange(min(AT_ENDS // share + 1, size))
    ranks = np.unique(
        np.concatenate([
            np.linspace(0, size - 1, GRID // share + 1).astype(np.int64),
            rng.integers(0, size, AT_RANDOM // share),
            ends, size - 1 - ends,
        ])
    )  # fmt: skip
    outcomes = evaluate(ranks)
    if not _monotone(outcomes):
        raise NotApplicable("the mask neither rises nor falls with the random number, so no threshold is found")
    while True:
        changes = _changes(outcomes)
        if len(changes) > CHANGES:
            raise NotApplicable(f"the outputs for x = 1 take at least {len(changes)} values, which is no mask")
        open_ = changes[ranks[changes] - ranks[changes - 1] > 1]
        if not open_.size:
            break
        parts = 2 if costly else max(2, GRID // len(open_))
        added = np.concatenate([_between(ranks[i - 1], ranks[i], parts) for i in open_])
        ranks, order = np.unique(np.concatenate([ranks, added]), return_index=True)
        outcomes = np.concatenate([outcomes, evaluate(added)])[order]
    starts = np.concatenate([[0], ranks[changes]])
    return Steps(starts, outcomes[np.concatenate([[0], changes])], whole=False)


def _whole(evaluate: Evaluate, size: int) -> Steps:
    outcomes = evaluate(np.arange(size))
    starts = np.concatenate([[0], _changes(outcomes)])
    return Steps(starts, outcomes[starts], whole=True)


def _changes(outcomes: Outcomes) -> Ranks:
    """Return the positions whose outcome is not that of the position before; NaN equals NaN."""
    same = (outcomes[1:] == outcomes[:-1]) | (np.isnan(outcomes[1:]) & np.isnan(outcomes[:-1]))
    return 1 + np.flatnonzero(~same)


def _monotone(outcomes: Outcomes) -> bool:
    known = outcomes[~np.isnan(outcomes)]
    return bool((known[1:] >= known[:-1]).all() or (known[1:] <= known[:-1]).all())


def _between(low: int, high: int, parts: int) -> Ranks:
    """Return at most ``parts - 1`` ranks that divide the open interval evenly."""
    inner = low + (high - low) * np.arange(1, parts, dtype=np.float64) / parts
    return np.unique(np.clip(inner.astype(np.int64), low + 1, high - 1))
