"""The script of a recording: it reads the file, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.scripts.script import AXES, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.recording import BlockFacts


class RecordedScript(Script):
    """Reads ``xs`` and ``ys`` of the blocks that a case looks at.

    Args:
        at: Where the check looked.
        reading: Lines that define ``read(name)``, which returns an array by its name in the file.
        by_call: Whether the number in a name such as ``x.0`` counts calls; otherwise blocks.
    """

    def __init__(self, at: Case, reading: Sequence[str], *, by_call: bool) -> None:
        super().__init__(at, reading)
        self.by_call = by_call

    @property
    def dropped(self) -> str:
        """The shortcut, where there is one."""
        return "dropped" if self.at.dialect.form == "residual" else "0"

    def decisions_in(self, calls: int, batch: int, drop_prob: float | None = None) -> int:
        """Return the decisions that were recorded, at one drop_prob or at all, whatever is asked for."""
        return sum(block.decisions for block in self.at.blocks if drop_prob in (None, block.drop_prob))

    def numbers(self, blocks: Sequence[BlockFacts]) -> str:
        """Return the expression for the numbers by which blocks are read."""
        if not self.by_call:
            return repr([block.index for block in blocks])
        ranges = [f"range({block.index}, {block.index + block.calls})" for block in blocks]
        return ranges[0] if len(ranges) == 1 else f"[{', '.join(f'*{text}' for text in ranges)}]"

    def each(
        self,
        *body: str,
        drop_prob: float | None = None,
        shape: tuple[int, ...] = (),
        calls: int = 1,
        random: bool = False,
        xs: bool = False,
        blocks: Callable[[BlockFacts], bool] | None = None,
        gradients: bool = False,
    ) -> None:
        """Go through the blocks."""
        chosen = [
            block
            for block in self.at.blocks
            if (drop_prob is None or block.drop_prob == drop_prob) and (blocks is None or blocks(block))
        ]
        with self.under(f"for block in {self.numbers(chosen)}:"):
            self.add("xs, ys = read(f'x.{block}'), read(f'y.{block}')  # calls, batch, features")
            if self.dropped == "dropped":
                self.add("dropped = read(f'shortcut.{block}')")
            if gradients:
                self.add("gradients = read(f'gradient.{block}')")
            self.add(*body)

    @property
    def _complete(self) -> bool:
        """Whether every decision can be read."""
        return self.at.decisions == sum(block.calls * block.width for block in self.at.blocks)

    def kept(self, *, weigh: bool = False, group: Sequence[str] = ()) -> list[str]:
        """Return lines that bind ``kept``, without the decisions that cannot be read."""
        lines = super().kept(weigh=weigh, group=group)
        if self._complete:
            return lines
        names = ["kept", *["weight"] * weigh, *["group"] * bool(group)]
        axes = AXES[self.at.dialect.granularity]
        return [
            *lines,
            f"seen = np.broadcast_to(xs != 0, ys.shape).reshape({axes}).any(-1)",
            f"{', '.join(names)} = {', '.join(f'{name}[seen]' for name in names)}  # where x is 0, nothing can be seen",
        ]

    def masks(self, *, numbers: bool = False) -> list[str]:
        """Return lines that bind ``kept`` to the masks of the calls that can be read altogether."""
        if self._complete:
            return [*super().kept(), *["numbers = np.arange(len(kept))"] * numbers]
        axes = AXES[self.at.dialect.granularity]
        return [
            *super().kept(),
            f"numbers = np.flatnonzero(np.broadcast_to(xs != 0, ys.shape).reshape({axes}).any(-1).all(1))",
            "kept = kept[numbers]  # where x is 0, nothing can be seen",
        ]

    def _parts(self, parts: Sequence[tuple[tuple[int, ...], int]]) -> Sequence[tuple[tuple[int, ...], int]]:
        return [((), 1)]  # all blocks at once

    def same_dtype(self, drop_prob: float, batch: int = 4) -> None:
        """Write a script with the dtypes of y that the recording names; which they were is lost in reading."""
        dtypes = sorted({block.output_dtype for block in self.at.blocks})
        asked = self.at.blocks[0].dtype
        self._imports.clear()
        self.add(f"outputs = {dtypes!r}  # of y in the recording, for x of {asked}", f"assert outputs == [{asked!r}]")
