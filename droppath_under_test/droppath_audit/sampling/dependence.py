"""Search, then confirm: which two decisions look dependent, and are they, on fresh draws.

The search runs over all lags, mirror images and pairs at once and corrects for nothing, because it only proposes; one
exact 2x2 test on decisions drawn afterwards disposes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Masks = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]


class Proposal(NamedTuple):
    """The most suspicious relation: its kind, its offset (a lag, a mirror's sum, a pair), and its z score."""

    kind: str
    offset: tuple[int, ...]
    z: float

    def describe(self) -> str:
        """Return the relation in words."""
        if self.kind == "lag":
            return f"decisions {self.offset[0]} positions apart"
        if self.kind == "mirror":
            return f"decisions at positions i and {self.offset[0]} - i"
        return f"decisions at positions {self.offset[0]} and {self.offset[1]} of a batch"


def most_suspicious(rows: Masks, pairs: Masks | None) -> Proposal:
    """Return the relation with the largest z score.

    Args:
        rows: Long calls, of shape (calls, batch): every lag up to half the batch and every mirror image is looked at,
            by fast Fourier transforms.
        pairs: Many short calls, of shape (calls, batch), of which every pair of positions is looked at, or None.
    """
    lag = _lags(rows)
    mirror = _mirrors(rows)
    found = [lag, mirror] if pairs is None else [lag, mirror, _pairs(pairs)]
    return max(found, key=lambda proposal: abs(proposal.z))


def _centred(masks: Masks) -> Floats:
    """Return the decisions minus their overall mean, in standard deviations; zeros where they never vary."""
    values = masks.astype(np.float64)
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def _lags(rows: Masks) -> Proposal:
    calls, batch = rows.shape
    total = np.zeros(batch)
    for row in _centred(rows):
        spectrum = np.fft.rfft(row, 2 * batch)
        total += np.fft.irfft(np.abs(spectrum) ** 2, 2 * batch)[:batch]
    lags = np.arange(1, batch // 2 + 1)
    z = total[lags] / np.sqrt(calls * (batch - lags))
    best = int(np.argmax(np.abs(z)))
    return Proposal("lag", (int(lags[best]),), float(z[best]))


def _mirrors(rows: Masks) -> Proposal:
    calls, batch = rows.shape
    total = np.zeros(2 * batch - 1)
    for row in _centred(rows):
        total += np.fft.irfft(np.fft.rfft(row, 2 * batch) ** 2, 2 * batch)[: 2 * batch - 1]
    # Position s holds sum over i of m[i] m[s-i]: every pair twice, and for even s the square in the middle.
    sums = np.arange(2 * batch - 1)
    middle = np.zeros(2 * batch - 1)
    squares = (_centred(rows) ** 2).sum(axis=0)
    middle[::2] = squares
    # Pairs i < s - i with both inside the batch.
    number = (np.minimum(sums, 2 * batch - 2 - sums) + 1) // 2
    usable = number >= batch // 4
    z = np.where(usable, (total - middle) / 2.0 / np.sqrt(calls * np.maximum(number, 1)), 0.0)
    best = int(np.argmax(np.abs(z)))
    return Proposal("mirror", (best,), float(z[best]))


def _pairs(masks: Masks) -> Proposal:
    calls, batch = masks.shape
    centred = _centred(masks)
    z = np.triu(centred.T @ centred / np.sqrt(calls), k=1)
    best = int(np.argmax(np.abs(z)))
    return Proposal("pair", (best // batch, best % batch), float(z.flat[best]))


def table(first: Masks, second: Masks) -> list[int]:
    """Return [both kept, first only, second only, neither] of decisions paired element by element."""
    both = int(np.count_nonzero(first & second))
    one, other = int(np.count_nonzero(first)), int(np.count_nonzero(second))
    return [both, one - both, other - both, first.size - one - other + both]


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


def to_evidence(proposal: Proposal, counts: list[int]) -> dict[str, Any]:
    """Return a proposal and its table on fresh draws as evidence."""
    return {
        "relation": proposal.kind,
        "offset": list(proposal.offset),
        "search_z": proposal.z,
        "table": counts,
    }


def correlation(counts: list[int]) -> float:
    """Return the correlation of a 2x2 table [both, first only, second only, neither]; 0 where a margin is empty."""
    both, first, second, neither = counts
    margins = float(both + first) * (second + neither) * (both + second) * (first + neither)
    return float((both * neither - first * second) / margins**0.5) if margins else 0.0
