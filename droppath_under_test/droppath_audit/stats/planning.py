"""The statistics for the decisions of one cell side by side: what each resolves, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.stats import design
from droppath_audit.stats.certificate import Certificate, detectable

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = 6
"""Cells of a frequency table of one dtype over the audit's grid, drop_prob 0 and 1 apart."""


@dataclass(frozen=True)
class Statistic:
    """One way to judge decisions, with its planning twins.

    Attributes:
        name: In words.
        samples_needed: ``(discrepancy, keep_prob, alpha, beta) -> decisions``.
        detectable: ``(decisions, keep_prob, alpha, beta) -> discrepancy``; ``design.NOTHING`` for nothing.
    """

    name: str
    samples_needed: Callable[[float, float, float, float], int]
    detectable: Callable[[int, float, float, float], float]


def _deviation(keep_prob: float) -> float:
    return math.sqrt(keep_prob * (1.0 - keep_prob))


STATISTICS = (
    Statistic(
        "certificate, correct code",
        lambda size, q, alpha, beta: Certificate(q, size, alpha, beta).expected_decisions(),
        detectable,
    ),
    Statistic("certificate, at most", design.certificate_samples, design.certificate_detectable),
    Statistic("exact binomial", design.binomial_samples_needed, design.binomial_detectable),
    Statistic(
        "frequency table",
        lambda size, q, alpha, beta: design.chi_square_samples_needed(size / _deviation(q), CELLS, alpha, beta),
        lambda n, q, alpha, beta: _deviation(q) * design.chi_square_detectable(n, CELLS, alpha, beta),
    ),
    Statistic(
        "DKW",
        lambda size, _, alpha, beta: design.dkw_samples_needed(size, alpha, beta),
        lambda n, _, alpha, beta: design.dkw_detectable(n, alpha, beta),
    ),
    Statistic(
        "correlation of pairs",
        lambda size, q, alpha, beta: 2 * design.hypergeometric_samples_needed(size, q, alpha, beta),
        lambda n, q, alpha, beta: design.hypergeometric_detectable(max(1, n // 2), q, alpha, beta),
    ),
)

NOTES = (
    "The certificate passes correct code after about the first number of decisions, and ends at the second whatever "
    "it sees; the others look once, at a number fixed in advance.",
    f"frequency table: one cell alone is wrong, in a chi-square (G) table of {CELLS}. DKW: knows no variance. "
    "correlation of pairs: of the two decisions of a disjoint pair.",
)
