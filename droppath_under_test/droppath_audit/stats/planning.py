"""The statistics for the decisions of one cell side by side: what each resolves, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.stats import design
from droppath_audit.stats.certificate import Certificate, detectable_on_correct_code

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = 6
"""Cells of a frequency table of one dtype over the audit's grid, drop_prob 0 and 1 apart."""


@dataclass(frozen=True)
class Statistic:
    """One way to judge decisions, with its planning twins.

    Attributes:
        name: In words.
        samples_for: ``(discrepancy, keep_prob, alpha, beta) -> decisions``.
        detectable: ``(decisions, keep_prob, alpha, beta) -> discrepancy``; ``design.NOTHING`` for nothing.
    """

    name: str
    samples_for: Callable[[float, float, float, float], int]
    detectable: Callable[[int, float, float, float], float]


def _deviation(keep_prob: float) -> float:
    return math.sqrt(keep_prob * (1.0 - keep_prob))


STATISTICS = (
    Statistic(
        "certificate, correct code",
        lambda size, q, alpha, beta: Certificate(q, size, alpha, beta).expected_decisions(),
        detectable_on_correct_code,
    ),
    Statistic("certificate, at most", design.samples_for_certificate, design.detectable_certificate),
    Statistic("exact binomial", design.samples_for_binomial, design.detectable_binomial),
    Statistic(
        "frequency table",
        lambda size, q, alpha, beta: design.samples_for_chi_square(size / _deviation(q), CELLS, alpha, beta),
        lambda n, q, alpha, beta: _deviation(q) * design.detectable_chi_square(n, CELLS, alpha, beta),
    ),
    Statistic(
        "DKW",
        lambda size, _, alpha, beta: design.samples_for_dkw(size, alpha, beta),
        lambda n, _, alpha, beta: design.detectable_dkw(n, alpha, beta),
    ),
    Statistic(
        "correlation of pairs",
        lambda size, q, alpha, beta: 2 * design.samples_for_hypergeometric(size, q, alpha, beta),
        lambda n, q, alpha, beta: design.detectable_hypergeometric(max(1, n // 2), q, alpha, beta),
    ),
)

NOTES = (
    "The certificate passes correct code after about the first number of decisions, and ends at the second whatever "
    "it sees; the others look once, at a number fixed in advance.",
    f"frequency table: one cell alone is wrong, in a chi-square (G) table of {CELLS}. DKW: knows no variance. "
    "correlation of pairs: of the two decisions of a disjoint pair.",
)
