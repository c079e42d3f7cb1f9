"""The console that every command prints on: as wide as a log may be, and deaf to what others' texts ask of it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from droppath_audit.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import ConsoleOptions, RenderableType

_BLANKS = re.compile(r" +((?:\x1b\[[\d;]*m)*)(?=\n)")
FOLDED = 16  # columns that a cell whose text may be folded has at least, where nothing else is said
FOR_A_TIME = 80  # columns of one that has room for the time left as well
FOR_A_BAR = 60  # columns of a terminal that has room for a bar beside its description


class PlainConsole(Console):
    """A console on which only our own styles and movements have an effect.

    Text is neither markup nor the name of an emoji, and a control character in it is shown and not obeyed. Writers
    make texts visible before they lay them out, so that widths are right; this is the border that nothing passes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable, with every control character in a text made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Return what is written, without blanks at the ends of lines, with which tables fill their last column."""
        return _BLANKS.sub(r"\1", super()._render_buffer(buffer))


def console_of(width: int, *, stderr: bool = False) -> Console:
    """Return the console, of at least this width where nobody watches and COLUMNS says nothing: a log has no edge."""
    console = PlainConsole(stderr=stderr)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
        console.width = max(width, console.width)
    return console


@contextmanager
def progress_on(console: Console, *last: ProgressColumn) -> Iterator[Progress]:
    """Within, show a description, a bar where there is room, and the last columns; nothing where nobody watches.

    Args:
        console: Where.
        last: What stands at the end; by default the time left, where there is room, and how many are done of how many.
    """
    description = TextColumn("  {task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1))
    plain = TextColumn("  {task.description}", markup=False)
    columns = (plain, BarColumn()) if console.width >= FOR_A_BAR else (description,)
    if console.width >= FOR_A_TIME and not last:
        last = (TimeRemainingColumn(compact=True), MofNCompleteColumn())
    progress = Progress(
        *columns, *(last or (MofNCompleteColumn(),)),
        console=console, transient=True, disable=not console.is_terminal, expand=len(columns) == 1,
    )  # fmt: skip
    if not console.is_terminal:
        yield progress  # not begun: rich before 14.3 ends it with an empty line there all the same
        return
    with progress:
        yield progress


def fitting(table: Table, width: int, least: int = FOLDED) -> bool:
    """Return whether a table of texts has room for cells that are not to be folded, and for ``least`` of the others."""
    _, right, _, left = table.padding
    gaps = (len(table.columns) - 1) * (max(left, right) if table.collapse_padding else left + right)
    return gaps + sum(_least(column, least) for column in table.columns) <= width


def foldable(table: Table, width: int, least: int = FOLDED) -> Table:
    """Return the table; where it has no room, one in which each row is its first cell, and the others folded below.

    Args:
        table: A table of texts with heads.
        width: Columns of the console.
        least: Columns that a cell whose text may be folded has at least.
    """
    if fitting(table, width, least):
        return table
    heads = [_text(column.header) for column in table.columns]
    folded = Table.grid(padding=0)
    folded.add_column(overflow="fold")
    for row in zip(*(column.cells for column in table.columns), strict=True):
        first, *others = (_text(cell) for cell in row)
        folded.add_row(first)
        named = [
            Text.assemble((f"{head.plain.strip()} ", "dim") if head.plain.strip() else "", other)
            for head, other in zip(heads[1:], others, strict=True)
            if other.plain.strip()
        ]
        folded.add_row(Padding(Text(" · ").join(named), (0, 0, 0, 4 if width >= FOR_A_BAR // 2 else 1)))
    return folded


def _least(column: Column, least: int) -> int:
    widest = max((cell_len(line) for cell in (column.header, *column.cells) for line in _lines(cell)), default=0)
    return widest if column.no_wrap else min(widest, least)


def _lines(cell: object) -> list[str]:
    return _text(cell).plain.splitlines()


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))
