"""Recording: calls of an implementation that ran elsewhere, as plain data.

``docs/recordings.md`` describes the files; ``recordings`` reads them, ``probes.recorded`` looks into them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from droppath_audit.core.dialect import Dialect

RECORDED = "recorded"
"""The device of every case of a recording: ids do not depend on what a file calls its hardware."""


@dataclass(frozen=True)
class BlockFacts:
    """One block described, without its numbers: successive calls of one layer that are alike.

    Attributes:
        index: Number of the block in the file; in JSON lines, of its first call.
        calls: Number of calls.
        shape: Shape of x in one call, the batch first.
        dtype: Dtype of x.
        output_dtype: Dtype of y.
        drop_prob: p of these calls.
        training: Whether they were made in training.
        layer: Name of the layer that was called.
        call: Index of the first of these calls among the calls of that layer.
        shortcut: Whether the shortcuts of a residual form are there.
        gradient: Whether gradients are there.
        width: Mask decisions a call holds, by the declared granularity.
        decisions: Decisions of all calls that can be read off x and y; fixed by x alone.
        whole: Calls all of whose decisions can be read.
    """

    index: int
    calls: int
    shape: tuple[int, ...]
    dtype: str
    output_dtype: str
    drop_prob: float
    training: bool
    layer: str
    call: int
    shortcut: bool
    gradient: bool
    width: int
    decisions: int
    whole: int


@dataclass(frozen=True)
class Block:
    """A block with its numbers: arrays of shape (calls, batch, …); bfloat16 as uint16 bit patterns.

    Attributes:
        facts: What it is.
        x: Inputs; the first axis is 1 where every call had the same.
        y: Outputs.
        shortcut: Shortcuts, or None.
        gradient: dy/dx for a cotangent of ones, or None.
        readable: Where y says whether x was kept: x is finite, normal and not lost in the shortcut. Its first axis
            is 1 where that is the same in every call.
    """

    facts: BlockFacts
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    shortcut: npt.NDArray[Any] | None
    gradient: npt.NDArray[Any] | None
    readable: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Recording:
    """A recording that was read: what it declares, and its blocks in order."""

    dialect: Dialect
    blocks: tuple[Block, ...]
