"""The kill matrix on a terminal: implementations down, checks across, a character a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from droppath_audit.selftest.examination import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from droppath_audit.selftest.examination import Row

STYLES = {"*": "bold green", "~": "green", "?": "bold white on red", "+": "dim", "!": "yellow", ".": "dim"}
LEGEND = (
    "* a claim that is kept   ~ kept at effort standard   ? a claim that is not kept   "
    "+ another check that fails it   ! an error"
)


def matrix(rows: Sequence[Row]) -> Text:
    """Return the matrix with a column for every check that has a mark; ids stand upright above it, without ``DP``."""
    columns = sorted({check for row in rows for check in marks(row)})
    width = max((len(row.subject.name) for row in rows), default=0)
    text = Text()
    for line in range(3):
        text.append(f"{'DP' if line == 0 else '':>{width}}  ", "dim")
        text.append("".join(check[2 + line] for check in columns) + "\n")
    for row in rows:
        text.append(f"{row.subject.name:<{width}}  ", "" if row.good else "bold red")
        if row.lost:
            text.append(f"{row.lost}\n", "bold red")
            continue
        found = marks(row)
        for check in columns:
            mark = found.get(check, ".")
            text.append(mark, STYLES[mark])
        text.append("\n")
    return text


def show(console: Console, rows: Sequence[Row]) -> None:
    """Print both matrices, then what is wrong, each in a line."""
    faulty = [row for row in rows if not row.subject.sound]
    sound = [row for row in rows if row.subject.sound]
    for title, chosen in (("mutants", faulty), ("sound variants", sound)):
        if chosen:
            console.print(Text(title, style="bold"))
            console.print(matrix(chosen), soft_wrap=True)
    console.print(Text(LEGEND, style="dim"), soft_wrap=True)
    for row in rows:
        for line in troubles(row):
            console.print(Text(line, style="bold red"), soft_wrap=True)


def troubles(row: Row) -> list[str]:
    """Return a line for everything about a row that fails the selftest."""
    name = row.subject.name
    if row.lost:
        return [f"{name}: {row.lost}"]
    lines = [f"{name}: {check} claims it and does not fail it" for check in row.unkept]
    lines += [f"{name}: {one.trial.id} is {one.snippet_state} ({one.snippet_note})" for one in row.mute]
    if row.subject.sound:
        lines += [f"{name}: alarm from {alarm}" for alarm in row.alarms]
        lines += [f"{name}: {check} is inconclusive" for check in row.open]
    return lines
