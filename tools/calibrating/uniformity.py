"""Tests of p-values and of alarm rates: is an error rate what it is said to be at most?

A p-value of correct code may be larger than uniform (discrete, or an e-value's inverse) and never smaller:
P(p ≤ t) ≤ t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Dense enough that one of them lies within a factor of two above any single value that p-values may pile up at.
THRESHOLDS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4)


@dataclass(frozen=True)
class Excess:
    """How many p-values lie at or below a threshold, against how many may.

    Attributes:
        threshold: t.
        count: p-values at most t.
        allowed: n·t, their largest expectation.
        p_value: P(Bin(n, t) ≥ count), the exact test of P(p ≤ t) ≤ t for independent p-values.
    """

    threshold: float
    count: int
    allowed: float
    p_value: float


def at_least(count: int, number: int, rate: float) -> float:
    """Return P(Bin(number, rate) ≥ count)."""
    from scipy.stats import binom

    return float(binom.sf(count - 1, number, rate))


def excesses(p_values: Sequence[float]) -> list[Excess]:
    """Return the exact test at each threshold; the size of all of them together is at most the sum of their levels."""
    number = len(p_values)
    found = []
    for threshold in THRESHOLDS:
        count = sum(p <= threshold for p in p_values)
        found.append(Excess(threshold, count, number * threshold, at_least(count, number, threshold)))
    return found


def largest_excess(p_values: Sequence[float]) -> tuple[float, float]:
    """Return the largest excess of the p-values' distribution over the uniform one, and a bound on its probability.

    D⁺ = sup (F_n(t) - t); P(D⁺ ≥ d) ≤ exp(-2nd²) for d ≥ √(ln 2/(2n)) (Massart 1990, Annals of Probability 18,
    1269-1283), 1 below that. Independent p-values that are super-uniform one by one exceed less than uniform ones.

    Raises:
        ValueError: If there are none.
    """
    if not p_values:
        raise ValueError("there are no p-values to compare with the uniform distribution")
    number = len(p_values)
    excess = max(0.0, *((rank + 1) / number - p for rank, p in enumerate(sorted(p_values))))
    bound = math.exp(-2.0 * number * excess**2)
    return excess, bound if bound <= 0.5 else 1.0


@dataclass(frozen=True)
class RateTest:
    """The exact test of "alarms come at most at this rate".

    Attributes:
        rate: The rate.
        number: Audits.
        level: Size at most.
    """

    rate: float
    number: int
    level: float

    @property
    def critical(self) -> int:
        """The number of alarms from which on the rate is rejected."""
        from scipy.stats import binom

        return int(binom.isf(self.level, self.number, self.rate)) + 1

    def power(self, rate: float) -> float:
        """Return the probability of rejection where alarms come at this rate."""
        return at_least(self.critical, self.number, rate)
