"""Which known rule the answers of a schedule follow, all of them together, or where they leave the nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.models.rules import ORACLES, TOLERANCE, Block, recognise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.schedules.answers import Answer

RAMPS = ("linear", "stagewise")
"""Rules that begin with 0 and end with the rate. A single block is both ends, and may have either."""
STAGEWISE = "stagewise"


@dataclass(frozen=True)
class Leaving:
    """A value that is not the rule's.

    Attributes:
        answer: Where.
        block: Its number, from 0.
        found: The drop_prob.
        expected: That of the rule.
    """

    answer: Answer
    block: int
    found: float
    expected: float


@dataclass(frozen=True)
class Following:
    """What answers follow.

    Attributes:
        rule: The rule; where they leave it, the one that they leave least.
        left: Where they leave it.
    """

    rule: str
    left: tuple[Leaving, ...] = ()


def following(answers: Sequence[Answer], declared: str, *, keep: bool) -> Following:
    """Return the rule that answers follow.

    Args:
        answers: With one number a block each, and all told in one way: as a number, or as a list.
        declared: The only rule that counts; empty for any.
        keep: Whether their values are keep probabilities.
    """
    stages = all(one.stages for one in answers)
    rules = [declared] if declared else [*ORACLES, *([STAGEWISE] if stages else ())]
    if declared == STAGEWISE and not stages:
        rules = ["linear"]  # what stages of one block each would be given
    found = [Following(rule, tuple(left for one in answers for left in _left(one, rule, keep=keep))) for rule in rules]
    return min(found, key=lambda one: sum(abs(left.found - left.expected) for left in one.left))


def drop_probs(one: Answer, *, keep: bool) -> list[float]:
    """Return the values of an answer as drop probabilities."""
    return [1.0 - value for value in one.values] if keep else list(one.values)


def _left(one: Answer, rule: str, *, keep: bool) -> list[Leaving]:
    stages = [stage for stage, blocks in enumerate(one.depths) for _ in range(blocks)]
    found = drop_probs(one, keep=keep)
    if rule in RAMPS and one.blocks == 1 and abs(found[0] - one.rate) <= TOLERANCE:
        return []
    blocks = [Block(str(n), p, stage, n) for n, (p, stage) in enumerate(zip(found, stages, strict=True))]
    followed = recognise(blocks, one.blocks, rule, one.rate)
    return [Leaving(one, int(left.block), left.found, left.expected) for left in followed.departures]
