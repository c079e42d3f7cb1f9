"""Calls: what went into a layer and came out of it, in arrays that are alike for a target and for a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Masks = npt.NDArray[np.bool_]

SEE = {0.0: "DP002", 1.0: "DP301"}  # where outputs that are NaN are judged; DP201 elsewhere


def grouped(array: npt.NDArray[Any], granularity: str) -> npt.NDArray[Any]:
    """Return elements of shape (calls, batch, size) as (calls, decisions, elements of a decision)."""
    calls, batch, size = array.shape
    shape = {"sample": (batch, size), "batch": (1, batch * size), "element": (batch * size, 1)}[granularity]
    return array.reshape(calls, *shape)


@dataclass(frozen=True, eq=False)
class Calls:
    """Successive calls of one layer in training, in arrays of shape (calls, batch, elements of a sample).

    Attributes:
        shape: Shape of x in one call, the batch first.
        dtype: Dtype of x.
        drop_prob: p of these calls.
        granularity: What one decision covers.
        x: Inputs, exactly.
        y: Outputs, rounded to x's dtype: a layer that widens it breaks DP005 and nothing else.
        base: What a dropped element comes back as: zero, or the shortcut.
        readable: Where y says whether x was kept: x is finite, normal, and not lost in the shortcut.
        bits: The bit patterns of x in a 16-bit dtype; otherwise None.
        layer: Name of the layer.
        first: Index of the first of these calls among those of the layer.
        output_dtype: Dtype of the outputs.
        gradient: dy/dx for the cotangent, where it was asked for and is there.
        cotangent: Of the backward pass.
        reason: Why there is no gradient where one was asked for.
    """

    shape: tuple[int, ...]
    dtype: str
    drop_prob: float
    granularity: str
    x: Floats
    y: Floats
    base: Floats
    readable: Masks
    bits: npt.NDArray[np.uint16] | None = None
    layer: str = ""
    first: int = 0
    output_dtype: str = ""
    gradient: Floats | None = None
    cotangent: Floats | float = 1.0
    reason: str = ""

    def grouped(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of these calls with the axes calls, decisions, elements of a decision."""
        return grouped(array, self.granularity)

    def decisions(self) -> Decisions:
        """Return which decisions kept, and which can be read.

        That the elements of one decision agree is DP104's to show; the first that can be read speaks for them.

        Raises:
            NotApplicable: If an output is NaN where a decision would be read.
        """
        readable, y, base = self.grouped(self.readable), self.grouped(self.y), self.grouped(self.base)
        first = readable.argmax(axis=2)[:, :, None]
        seen: Masks = np.any(readable, axis=2)
        values = np.take_along_axis(y, first, axis=2)[:, :, 0]
        if np.isnan(values[seen]).any():
            see = SEE.get(self.drop_prob, "DP201")
            raise NotApplicable(f"outputs are NaN for finite x, and no decision can be read from them (see {see})")
        kept = values != np.take_along_axis(base, first, axis=2)[:, :, 0]
        return Decisions(kept, seen, self.shape[0], self.layer, self.first)


@dataclass(frozen=True)
class Refused:
    """Why there are no calls with samples of these features."""

    features: tuple[int, ...]
    why: str


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions of successive calls of one layer, of shape (calls, decisions of a call).

    Attributes:
        kept: Which kept.
        seen: Which can be read; of the others ``kept`` says nothing.
        batch: Samples of a call.
        layer: Name of the layer.
        first: Index of the first of these calls among those of the layer.
    """

    kept: Masks
    seen: Masks
    batch: int
    layer: str = ""
    first: int = 0

    @property
    def width(self) -> int:
        """Decisions of a call."""
        return int(self.kept.shape[1])

    @property
    def counts(self) -> tuple[int, int]:
        """How many kept, and how many can be read."""
        return int(np.count_nonzero(self.kept & self.seen)), int(np.count_nonzero(self.seen))


def whole(kept: Masks, batch: int, layer: str = "") -> Decisions:
    """Return decisions that can all be read."""
    return Decisions(kept, np.broadcast_to(np.True_, kept.shape), batch, layer)


@dataclass(frozen=True, eq=False)
class Run:
    """Masks of successive calls of one layer, of shape (calls, decisions), all of which can be read.

    ``first`` is the index of the first of them among the calls of the layer.
    """

    layer: str
    masks: Masks
    first: int

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Index of each call among those of the layer."""
        return self.first + np.arange(len(self.masks))


def runs(found: Iterable[Decisions]) -> list[Run]:
    """Return the runs of calls that can be read altogether; any other call ends a run."""
    joined: list[tuple[str, int, list[Masks]]] = []  # layer, index of the next call, masks
    for part in found:
        complete: Masks = np.all(part.seen, axis=1)
        starts = np.flatnonzero(complete & ~np.concatenate([[False], complete[:-1]]))
        ends = np.flatnonzero(complete & ~np.concatenate([complete[1:], [False]])) + 1
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            call, last = part.first + start, joined[-1] if joined else None
            if last is None or last[:2] != (part.layer, call) or last[2][-1].shape[1] != part.width:
                joined.append((part.layer, call, []))
            layer, _, masks = joined.pop()
            joined.append((layer, part.first + end, [*masks, part.kept[start:end]]))
    return [
        Run(layer, together, end - len(together))
        for layer, end, masks in joined
        for together in [masks[0] if len(masks) == 1 else np.concatenate(masks)]
    ]


def widest(found: Iterable[Decisions]) -> Masks:
    """Return the masks of all runs of the largest width, of shape (calls, decisions)."""
    every = runs(found)
    width = max(run.masks.shape[1] for run in every)
    chosen = [run.masks for run in every if run.masks.shape[1] == width]
    return chosen[0] if len(chosen) == 1 else np.concatenate(chosen)
