"""Selections: which blocks of a recording a check looks at, and the cases that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from droppath_audit.core.case import AnyCase, Cell, DtypeCase
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.recording import RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts


def interior(block: BlockFacts) -> bool:
    """Return whether the block was made in training, at a drop_prob at which samples are both kept and dropped.

    A drop_prob below 2^-54 is none: its keep_prob is 1, and there is nothing that decisions could depend on.
    """
    return block.training and 0.0 < 1.0 - block.drop_prob < 1.0


def _always(_case: object) -> bool:
    return True


@dataclass(frozen=True)
class Selection:
    """What of a recording a check looks at.

    Attributes:
        blocks: Whether it looks at a block.
        by: What makes a case: a ``dtype``, a ``cell`` (dtype and drop_prob), or a ``batch`` size in a cell.
        lacking: Why there is no case, where there is none.
        enough: Whether a case holds enough to be looked at.
    """

    blocks: Callable[[BlockFacts], bool]
    by: Literal["dtype", "cell", "batch"]
    lacking: str
    enough: Callable[[Any], bool] = _always

    def cases(self, blocks: Sequence[BlockFacts], effort: Effort) -> Iterator[AnyCase]:
        """Yield the cases that a recording allows, in the order of dtype, drop_prob and batch size."""
        groups: dict[tuple[int, float, int], list[BlockFacts]] = {}
        for block in filter(self.blocks, blocks):
            key = (
                DTYPES.index(block.dtype),
                0.0 if self.by == "dtype" else block.drop_prob,
                block.shape[0] if self.by == "batch" else 0,
            )
            groups.setdefault(key, []).append(block)
        for (dtype, drop_prob, batch), found in sorted(groups.items(), key=lambda group: group[0]):
            cell = Cell(RECORDED, DTYPES[dtype], drop_prob, effort=effort, blocks=tuple(found))
            case: AnyCase = cell
            if self.by == "dtype":
                case = DtypeCase(RECORDED, cell.dtype, effort=effort, blocks=cell.blocks)
            elif self.by == "batch":
                case = replace(cell, variant=f"batch{batch}")
            if self.enough(case):
                yield case


def _has_decisions(case: AnyCase) -> bool:
    return case.decisions > 0


INTERIOR_CELLS = Selection(
    interior, "cell", "the recording has no calls in training at a drop_prob inside (0, 1)", _has_decisions
)
"""The cells in which samples are both kept and dropped, and decisions can be read."""

WHOLE_CALLS = Selection(
    lambda block: interior(block) and block.width > 1 and block.whole > 0,
    "batch",
    "the recording has no calls with several decisions that can all be read, at a drop_prob inside (0, 1)",
)
"""For each such cell and batch size, the calls of several decisions that can all be read."""
