"""Rates of the blocks of several stages."""

from __future__ import annotations


def restarts_in_each_stage(drop_path_rate: float, depths: list[int]) -> list[list[float]]:
    """Counts blocks anew in each stage, so that the rate goes up and down through the model."""
    return [[drop_path_rate * block / max(depth - 1, 1) for block in range(depth)] for depth in depths]


def uses_up_its_argument(rate: float, depths: list[int]) -> list[float]:
    """Takes the depths out of the list that it was given, which the model then builds nothing of."""
    total, block, rates = sum(depths), 0, list[float]()
    while depths:
        for _ in range(depths.pop(0)):
            rates.append(rate * block / max(total - 1, 1))
            block += 1
    return rates


def stages_mixed_up(rate: float, depths: list[int]) -> list[list[float]]:
    """Cuts the rates into as many lists as there are stages, all of the same length."""
    total, size = sum(depths), -(-sum(depths) // len(depths))
    rates = [rate * block / max(total - 1, 1) for block in range(total)]
    return [rates[first : first + size] for first in range(0, total, size)]


def first_stage_alone(drop_path_rate: float, depths: list[int]) -> list[float]:
    """Makes rates for the blocks of the first stage alone."""
    return [drop_path_rate * block / max(depths[0] - 1, 1) for block in range(depths[0])]
