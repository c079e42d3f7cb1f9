"""Rates that are not those of the rule, or that are none."""

from __future__ import annotations


def divides_by_zero(rate: float, depth: int) -> list[float]:
    """Divides by depth - 1, which is 0 where a model has one block: the formula of tutorials."""
    return [rate * block / (depth - 1) for block in range(depth)]


def one_too_few(drop_path_rate: float, num_layers: int) -> list[float]:
    """Counts blocks from 1 to below their number, so that the last one has no rate."""
    return [drop_path_rate * block / num_layers for block in range(1, num_layers)]


def never_reaches(drop_prob: float, num_blocks: int) -> list[float]:
    """Divides by one block too many, so that not even the last one has the rate that was asked for."""
    return [drop_prob * (block + 1) / (num_blocks + 1) for block in range(num_blocks)]


def exceeds(p: float, n_layers: int) -> list[float]:
    """Numbers blocks from 1 and divides by the number of steps, so that the last rate is more than was asked for."""
    return [p * (block + 1) / max(n_layers - 1, 1) for block in range(n_layers)]


def floors(rate: float, depth: int) -> list[float]:
    """Divides whole numbers in the manner of Python 2, so that all blocks but the last have 0."""
    return [rate * (block // max(depth - 1, 1)) for block in range(depth)]


def backwards(max_drop_prob: float, depth: int) -> list[float]:
    """Begins with the largest rate, so that the first blocks drop most."""
    return [max_drop_prob * (1 - block / max(depth - 1, 1)) for block in range(depth)]


def always_something(rate: float, depth: int) -> list[float]:
    """Adds a smallest rate, so that blocks drop also where dropping was switched off."""
    return [max(rate * block / max(depth - 1, 1), 1e-3) for block in range(depth)]


def kept_from_the_other_end(num_layers: int, survival_prob: float) -> list[float]:
    """Turns survival into dropping once more than it should: the last block is kept as often as it was to drop."""
    return [1 - survival_prob * (block + 1) / num_layers for block in range(num_layers)]


def only_some_depths(rate: float, depth: int) -> list[float]:
    """Forgets the rest where blocks are handled by the dozen: right for few blocks, constant beyond."""
    few = min(depth, 50)
    return [rate * block / max(depth - 1, 1) for block in range(few)] + [rate] * (depth - few)
