"""Instances: decisions of several layers that are called in turn, and which of them are compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.probes.dependence import Table, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.probes.calls import Run

FEW = 8  # recorded layers of which every two are compared; of more, each with the next
OFFSETS = range(-4, 5)  # calls by which one layer may run ahead of another


@dataclass(frozen=True, eq=False)
class Instances:
    """What several layers decided.

    Attributes:
        masks: Masks of each layer by its name, of shape (calls, decisions).
        numbers: Index of each of these calls among those of the layer, ascending.
        pairs: Names of the layers that are compared.
        without: Why some layers are missing; empty where none is.
    """

    masks: Mapping[str, npt.NDArray[np.bool_]]
    numbers: Mapping[str, npt.NDArray[np.int64]]
    pairs: tuple[tuple[str, str], ...]
    without: str = ""

    def tables(self) -> dict[tuple[str, str, int], Table]:
        """Return, for every pair and offset, the table of decisions at the same position.

        At offset k a call of the first layer stands beside that call of the second whose number is larger by k.
        """
        relations = [(*pair, offset) for pair in self.pairs for offset in OFFSETS]
        found = {relation: self.table(*relation) for relation in relations}
        return {relation: counts for relation, counts in found.items() if sum(counts)}

    def table(self, first: str, second: str, offset: int) -> Table:
        """Return the table of one pair at one offset, all zeros where no calls stand side by side."""
        _, ours, theirs = np.intersect1d(
            self.numbers[first], self.numbers[second] - offset, assume_unique=True, return_indices=True
        )
        if not len(ours):
            return 0, 0, 0, 0
        return table(self.masks[first][_slice(ours)], self.masks[second][_slice(theirs)])


def _slice(indices: npt.NDArray[np.intp]) -> slice | npt.NDArray[np.intp]:
    """Return ascending indices without a gap as a slice, which copies nothing."""
    together = int(indices[-1]) - int(indices[0]) == len(indices) - 1
    return slice(int(indices[0]), int(indices[-1]) + 1) if together else indices


def of_recording(found: Iterable[Run], case: Case) -> Instances:
    """Return the layers of a recording, and the pairs of them that have calls side by side."""
    masks: dict[str, list[Run]] = {layer: [] for layer in calls_of(case)}
    for run in found:
        if run.layer in masks and run.masks.shape[1] == width_of(case):
            masks[run.layer].append(run)
    return Instances(
        {layer: np.concatenate([run.masks for run in parts]) for layer, parts in masks.items()},
        {layer: np.concatenate([run.numbers for run in parts]) for layer, parts in masks.items()},
        tuple(pair for pair, common in pairs_of(case).items() if common),
    )


def width_of(case: Case) -> int:
    """Return the largest number of decisions of a recorded call."""
    return max(block.width for block in case.blocks)


def calls_of(case: Case) -> dict[str, tuple[set[int], int]]:
    """Return the indices of the calls of every layer, and how many of these cannot be read altogether."""
    found: dict[str, tuple[set[int], int]] = {}
    for block in case.blocks:
        if block.width == width_of(case):
            calls, missing = found.get(block.layer, (set(), 0))
            calls = calls | set(range(block.call, block.call + block.calls))
            found[block.layer] = calls, missing + block.calls - block.whole
    return found


def pairs_of(case: Case) -> dict[tuple[str, str], int]:
    """Return the pairs of layers that are compared, each with the calls that lie side by side at any offset."""
    layers = calls_of(case)
    pairs = combinations(layers, 2) if len(layers) <= FEW else pairwise(layers)
    found = {}
    for first, second in pairs:
        (calls, missing), (others, lacking) = layers[first], layers[second]
        common = min(len(calls & {call - offset for call in others}) for offset in (OFFSETS[0], 0, OFFSETS[-1]))
        found[first, second] = max(0, common - missing - lacking)
    return found
