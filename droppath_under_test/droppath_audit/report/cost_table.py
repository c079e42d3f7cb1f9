"""What an audit with ``--benchmark`` measured, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from droppath_audit.report.console import fitting
from droppath_audit.report.costs import ASKED_FOR, HEADING, OTHERS, TIME, timed
from droppath_audit.report.findings import row

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.report import Report


def show_costs(console: Console, report: Report) -> None:
    """Print a line for each call that was timed, and one for each other cost; nothing of an audit without them."""
    results = report.results
    rows = timed((one.trial.check, one.trial.case.coordinates.get("dtype"), one.evidence or {}) for one in results)
    if not any(one.trial.check in (TIME, *ASKED_FOR) for one in results):
        return
    told = dict[str, str]()
    for result in results:
        if result.trial.check in OTHERS and not result.bad and result.verdict.observed:
            told.setdefault(OTHERS[result.trial.check], result.verdict.observed)
    if rows or told:
        console.print()
    if rows:
        wide, narrow = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 1))
        heading = (*HEADING, *rows[0].others)
        for number in range(len(heading)):
            wide.add_column(no_wrap=True, justify="right" if number > 2 else "left")
        wide.add_row(*(Text(f"  {name}" if name == HEADING[0] else name, "dim") for name in heading))
        narrow.add_column(overflow="fold")
        for one in rows:
            first, *rest = one.cells()
            wide.add_row(f"  {first}", *rest)
            narrow.add_row(f"  {' '.join([first, *rest[:3]])}, {one.compared()}")
        console.print(wide if fitting(wide, console.width) else narrow)
    for name, observed in told.items():
        row(console, name, observed)
