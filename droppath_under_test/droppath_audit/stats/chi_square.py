"""Likelihood-ratio chi-square statistics for tables of counts, with Pearson's beside them.

The likelihood ratio G judges: far in the tail Pearson's statistic rejects correct code more often than it
says, the likelihood ratio with at least ``MINIMUM_EXPECTED`` expected in every cell hardly so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

MINIMUM_EXPECTED = 100.0
FEW_CELLS = 4
"""Cells that a histogram of few entries is pooled to, at most."""


@dataclass(frozen=True)
class ChiSquare:
    """A goodness-of-fit statistic.

    Attributes:
        g: Likelihood-ratio statistic, 2 Σ observed·log(observed/expected).
        p_value: P(χ² ≥ g); the one that judges.
        pearson: Pearson's statistic, Σ (observed - expected)²/expected.
        pearson_p_value: P(χ² ≥ pearson); for the reader only.
        degrees_of_freedom: Of both.
        cells: Number of cells judged, after pooling.
    """

    g: float
    p_value: float
    pearson: float
    pearson_p_value: float
    degrees_of_freedom: int
    cells: int

    @classmethod
    def of(
        cls,
        observed: npt.NDArray[np.float64],
        expected: npt.NDArray[np.float64],
        degrees_of_freedom: int,
        tail: Callable[[float], float] | None = None,
    ) -> ChiSquare:
        """Return both statistics of a table as it stands; nothing is pooled.

        Args:
            observed: Counts, shape (cells,), or (2, cells) of kept and dropped.
            expected: Expected counts, of the same shape.
            degrees_of_freedom: Of both statistics.
            tail: Probability of a statistic at least as large; that of chi-square unless told otherwise.

        Raises:
            ValueError: If the totals, or those of a column of two, disagree by more than 1e-8 of themselves.
        """
        from scipy.stats import chi2, power_divergence

        def chi_square_tail(statistic: float) -> float:
            return float(chi2.sf(statistic, degrees_of_freedom))

        judged_by = tail or chi_square_tail
        g, pearson = (
            float(power_divergence(observed, expected, lambda_=name).statistic.sum())
            for name in ("log-likelihood", "pearson")
        )
        # Where every count is what was expected, rounding can take G below 0, which no statistic is.
        g = max(0.0, g)
        return cls(g, judged_by(g), pearson, judged_by(pearson), degrees_of_freedom, observed.shape[-1])


def pool(
    observed: Sequence[float] | npt.NDArray[Any],
    expected: Sequence[float] | npt.NDArray[Any],
    minimum: float = MINIMUM_EXPECTED,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (observed, expected) with neighbouring cells added up until each expects at least ``minimum``.

    Cells are joined from the left; what remains at the right end joins the last cell. Which cells are joined
    depends on ``expected`` alone, never on the data. Where the whole table expects less than ``minimum`` one
    cell is left.

    Args:
        observed: Counts, shape (cells,).
        expected: Expected counts, shape (cells,).
        minimum: Smallest expected count to leave.

    Raises:
        ValueError: If the shapes differ or there is no cell.
    """
    import numpy as np

    counts, means = np.asarray(observed, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if counts.shape != means.shape or counts.ndim != 1 or not counts.size:
        raise ValueError(f"one expected count is needed for each observed: {counts.shape} against {means.shape}")
    starts = [0]
    gathered = 0.0
    for index, mean in enumerate(means):
        if gathered >= minimum:
            starts.append(index)
            gathered = 0.0
        gathered += mean
    if gathered < minimum and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(counts, starts), np.add.reduceat(means, starts)


def goodness_of_fit(
    observed: Sequence[float] | npt.NDArray[Any], expected: Sequence[float] | npt.NDArray[Any]
) -> ChiSquare:
    """Judge a histogram against expected counts; neighbouring cells are pooled first (see ``pool``).

    Degrees of freedom are cells - 1. Where the expected counts use a keep frequency estimated from the same
    data the statistic is smaller than that distribution says (Chernoff and Lehmann 1954), so the level still
    holds.

    Args:
        observed: Counts, shape (cells,).
        expected: Expected counts, shape (cells,), of the same total.

    Raises:
        ValueError: If the totals disagree by more than 1e-8 of themselves, or fewer than two cells are left.
    """
    counts, means = pool(observed, expected)
    total, promised = float(counts.sum()), float(means.sum())
    if not math.isclose(total, promised, rel_tol=1e-8):
        raise ValueError(f"{total:g} were observed, {promised:g} expected in all")
    if counts.size < 2:
        raise ValueError(
            f"{promised:g} expected in all do not fill two cells of {MINIMUM_EXPECTED:g}: nothing to compare"
        )
    return ChiSquare.of(counts, means, counts.size - 1)


def goodness_of_fit_of_few(
    observed: Sequence[float] | npt.NDArray[Any], expected: Sequence[float] | npt.NDArray[Any]
) -> ChiSquare:
    """Judge a histogram of so few entries that chi-square says nothing of its tail.

    Neighbouring cells are pooled until each expects a quarter of all entries, and G is judged by ``sparse_tail``, which
    bounds its tail at every number of entries. Where the expected counts use a keep frequency estimated from the same
    data, ``tests/calibration`` shows by enumeration that the level still holds.

    Args:
        observed: Counts, shape (cells,).
        expected: Expected counts, shape (cells,), of the same total.

    Raises:
        ValueError: If one cell is left.
    """
    counts, means = pool(observed, expected, sum(expected) / FEW_CELLS * (1.0 - 1e-9))
    if counts.size < 2:
        raise ValueError("one cell holds nearly all that is expected: nothing to compare")
    means = means * (counts.sum() / means.sum())
    return ChiSquare.of(counts, means, counts.size - 1, tail=lambda statistic: sparse_tail(statistic, counts.size))


def frequency_table(kept: Sequence[int], decisions: Sequence[int], keep_prob: Sequence[float]) -> ChiSquare:
    """Judge kept and dropped over several keep probabilities at once.

    Nothing is estimated, so each cell (one keep probability) contributes one degree of freedom.

    Args:
        kept: Number kept in each cell.
        decisions: Decisions in each cell, fixed in advance.
        keep_prob: Promised q of each cell, inside (0, 1).

    Raises:
        ValueError: If the lengths differ, there is no cell, a count is impossible, a cell promises 0 or 1 (a
            wrong decision there is a proof and needs no statistic), or one expects fewer than
            ``MINIMUM_EXPECTED`` kept or dropped.
    """
    import numpy as np

    if not len(kept) == len(decisions) == len(keep_prob) or not len(kept):
        raise ValueError(f"cells disagree: {len(kept)}, {len(decisions)} and {len(keep_prob)} of them")
    for count, number, promised in zip(kept, decisions, keep_prob, strict=True):
        if not 0.0 < promised < 1.0:
            raise ValueError(f"a cell with keep_prob {promised:g} has no chi-square; one wrong decision is a proof")
        if not 0 <= count <= number:
            raise ValueError(f"{count} kept of {number} decisions is not a count")
        fewest = number * min(promised, 1.0 - promised)
        if fewest < MINIMUM_EXPECTED * (1.0 - 1e-12):
            raise ValueError(
                f"{number} decisions at keep_prob {promised:g} expect {fewest:g} in the smaller class; "
                f"{MINIMUM_EXPECTED:g} are needed"
            )
    q = np.asarray(keep_prob, dtype=np.float64)
    n = np.asarray(decisions, dtype=np.float64)
    k = np.asarray(kept, dtype=np.float64)
    return ChiSquare.of(np.stack([k, n - k]), np.stack([n * q, n - n * q]), len(kept))


def sparse_tail(g: float, cells: int) -> float:
    """Return an upper bound of P(G ≥ g) for a multinomial of ``cells`` cells, valid at every sample size.

    e^(-g/2) (e·g/(2(K-1)))^(K-1) for g > 2(K-1), else 1 (Agrawal 2020, "Finite-sample concentration of the
    multinomial in relative entropy", IEEE Transactions on Information Theory, arXiv:1904.02291). The number
    of draws and the cell probabilities must be fixed in advance; no cell needs a minimum.

    Args:
        g: Likelihood-ratio statistic against known cell probabilities.
        cells: K, at least 2.

    Raises:
        ValueError: If there are fewer than two cells.
    """
    if cells < 2:
        raise ValueError(f"a table has at least two cells, not {cells}")
    degrees = cells - 1
    if g <= 2.0 * degrees:
        return 1.0
    return math.exp(-g / 2.0 + degrees * (1.0 + math.log(g / (2.0 * degrees))))
