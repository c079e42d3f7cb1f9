"""Search, then confirm: which two decisions look dependent, and are they, on fresh draws.

The search runs over all lags, mirror images and pairs at once and corrects for nothing, because it only proposes; one
exact 2x2 test on decisions drawn afterwards disposes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float32]


Table = tuple[int, int, int, int]
"""Both kept, first only, second only, neither: of decisions paired element by element."""


@dataclass(frozen=True)
class Proposal:
    """The most suspicious relation: its kind, its offset (a lag, a mirror's sum, a pair), its z score, its batch."""

    kind: Literal["lag", "mirror", "pair"]
    offset: tuple[int, ...]
    z: float
    batch: int

    def describe(self) -> str:
        """Return the relation in words."""
        if self.kind == "lag":
            return f"decisions {self.offset[0]} positions apart"
        if self.kind == "mirror":
            return f"decisions at positions i and {self.offset[0]} - i"
        return f"decisions at positions {self.offset[0]} and {self.offset[1]} of a batch of {self.batch}"


def most_suspicious(rows: Masks, *pairs: Masks) -> Proposal:
    """Return the relation with the largest z score.

    Args:
        rows: Long calls, of shape (calls, batch): every lag up to half the batch and every mirror image is looked at,
            by fast Fourier transforms.
        *pairs: Many short calls each, of shape (calls, batch), of which every pair of positions is looked at.
    """
    return max([*_lags_and_mirrors(rows), *map(_pairs, pairs)], key=lambda proposal: abs(proposal.z))


def _centred(masks: Masks) -> Floats:
    """Return the decisions minus their overall mean, in standard deviations; zeros where they never vary."""
    share = np.count_nonzero(masks) / masks.size
    if not 0.0 < share < 1.0:
        return np.zeros(masks.shape, np.float32)
    # In single precision: what is computed of it only proposes, and is counted exactly before anything is said.
    two = np.array([-share, 1.0 - share]) / (share * (1.0 - share)) ** 0.5
    return two.astype(np.float32)[masks.view(np.uint8)]


def _lags_and_mirrors(rows: Masks) -> list[Proposal]:
    """Return the most suspicious lag up to half the batch, and the most suspicious sum of two positions."""
    calls, batch = rows.shape
    power, square = np.zeros(batch + 1, np.float32), np.zeros(batch + 1, np.complex64)
    centred = _centred(rows)
    for row in centred:
        spectrum = np.fft.rfft(row, 2 * batch).astype(np.complex64, copy=False)  # before version 2 NumPy widens it
        power += spectrum.real**2 + spectrum.imag**2
        square += spectrum**2
    # One transform back for all calls: that of a sum is the sum of theirs.
    correlated, convolved = np.fft.irfft(power, 2 * batch), np.fft.irfft(square, 2 * batch)
    squares = np.square(centred).sum(axis=0)
    lags = np.arange(1, batch // 2 + 1)
    z = correlated[lags] / np.sqrt(calls * (batch - lags))
    lag = int(np.argmax(np.abs(z)))
    # Sum s of the convolution holds every pair (i, s - i) twice, and for even s the square in the middle.
    sums = np.arange(2 * batch - 1)
    middle = np.zeros(2 * batch - 1)
    middle[::2] = squares
    number = (np.minimum(sums, 2 * batch - 2 - sums) + 1) // 2  # of pairs i < s - i inside the batch
    scores = (convolved[:-1] - middle) / 2.0 / np.sqrt(calls * np.maximum(number, 1))
    scores[number < batch // 4] = 0.0
    mirror = int(np.argmax(np.abs(scores)))
    return [
        Proposal("lag", (int(lags[lag]),), float(z[lag]), batch),
        Proposal("mirror", (mirror,), float(scores[mirror]), batch),
    ]


def _pairs(masks: Masks) -> Proposal:
    calls, batch = masks.shape
    centred = _centred(masks)
    z = np.triu(centred.T @ centred / np.sqrt(calls), k=1)
    best = int(np.argmax(np.abs(z)))
    return Proposal("pair", (best // batch, best % batch), float(z.flat[best]), batch)


def table(first: Masks, second: Masks) -> Table:
    """Return the table of decisions paired element by element."""
    both = int(np.count_nonzero(first & second))
    one, other = int(np.count_nonzero(first)), int(np.count_nonzero(second))
    return both, one - both, other - both, first.size - one - other + both


def paired(masks: Masks, proposal: Proposal) -> tuple[Masks, Masks]:
    """Return disjoint pairs of decisions in the proposed relation, from fresh masks of shape (calls, batch)."""
    batch = masks.shape[1]
    positions = np.arange(batch)
    if proposal.kind == "lag":
        (lag,) = proposal.offset
        first = positions[(positions // lag % 2 == 0) & (positions + lag < batch)]
        return masks[:, first], masks[:, first + lag]
    if proposal.kind == "mirror":
        (total,) = proposal.offset
        first = positions[(positions < total - positions) & (total - positions < batch)]
        return masks[:, first], masks[:, total - first]
    i, j = proposal.offset
    return masks[:, i], masks[:, j]


def places(proposal: Proposal) -> tuple[str, str, int, int]:
    """Return the positions of a mask that a relation pairs, as two indices, the pairs of a call, and calls to show."""
    batch, offset = proposal.batch, proposal.offset
    if proposal.kind == "lag":
        return f":-{offset[0]}", f"{offset[0]}:", batch - offset[0], 8
    if proposal.kind == "pair":
        return str(offset[0]), str(offset[1]), 1, 4096
    low, high = max(0, offset[0] - batch + 1), min(offset[0], batch - 1)
    half = (high - low + 1) // 2
    return f"{low}:{low + half}", f"{high}:{high - half}:-1", half, 8


def added(tables: Iterable[Table]) -> Table:
    """Return the sum of tables, cell by cell."""
    both, first, second, neither = (sum(cells) for cells in zip(*tables, strict=True))
    return both, first, second, neither


def suspicion(counts: Table) -> float:
    """Return the size of a table's correlation in standard deviations of that of independent decisions."""
    return float(abs(correlation(counts)) * sum(counts) ** 0.5)


def correlation(counts: Table) -> float:
    """Return the correlation of a table; 0 where a margin is empty."""
    both, first, second, neither = counts
    margins = float(both + first) * (second + neither) * (both + second) * (first + neither)
    return float((both * neither - first * second) / margins**0.5) if margins else 0.0
