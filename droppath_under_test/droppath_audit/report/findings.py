"""Findings in full, as the terminal shows them with ``-v``: promise, observation, reason, remedy, command, script."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from droppath_audit.core.level import Level
from droppath_audit.core.result import SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from droppath_audit.core.result import Result

BESIDE = 40  # columns of a console that has room for a text beside its name


def show_findings(console: Console, results: Sequence[Result]) -> None:
    """Print every broken trial in full, check by check; of those of one check that say the same the first."""
    for _, group in groupby(results, key=lambda result: result.trial.check):
        for result in group:
            _show(console, result)


def row(console: Console, name: str, text: str | Text) -> None:
    """Print a text beside its name; below it where the console has no room for that."""
    said = text if isinstance(text, Text) else Text(text)
    said.overflow = "fold"
    if console.width < BESIDE:
        console.print(named(name), markup=False)
        console.print(Padding(said, (0, 0, 0, 4)), markup=False)
        return
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(named(name), said)
    console.print(table, markup=False)


def numbered(console: Console, number: str, text: Text) -> None:
    """Print a text beside its number."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(number), text)
    console.print(table, markup=False)


def named(name: str) -> Text:
    """Return the name of a row."""
    return Text(f"    {name:<8} ", style="bold")


def unbroken(console: Console, text: Text) -> None:
    """Print lines that somebody may copy: what is too long for the console is not broken."""
    console.print(text, soft_wrap=True)


def _show(console: Console, result: Result) -> None:
    trial, verdict = result.trial, result.verdict
    level = "" if result.level is Level.MUST else f" ({result.level}: does not fail the audit)"
    console.print()
    style = "bold red" if result.level is Level.MUST else "yellow"
    title = f"{trial.check} {trial.slug} [{trial.case.describe()}]{level}"
    line = "─" if (console.encoding or "").lower().startswith("utf") else "-"
    if cell_len(title) < console.width:
        console.print(Rule(Text(title, style=style), align="left", characters=line), markup=False)
    else:  # which a rule would cut
        console.print(Text(title, style=style), markup=False)
    for name, text in (
        ("promised", result.promised),
        ("observed", verdict.observed),
        ("hint", verdict.hint),
        ("why", result.why),
        ("fix", result.fix),
    ):
        if text:
            row(console, name, text)
    unbroken(console, Text.assemble(named("rerun"), result.reproduce))
    if result.traceback:
        console.print(named("traceback"), markup=False)
        unbroken(console, _indented(Text(result.traceback.strip("\n"))))
    if result.snippet:
        row(console, "script", f"{_became(result)}:")
        code = Syntax("", "python", background_color="default").highlight(result.snippet)
        unbroken(console, _indented(code))


def _became(result: Result) -> str:
    """Return in words what became of a script."""
    if result.snippet_state == SHOWN:
        return "shows it without this package; it was run, and fails"
    note = f" ({result.snippet_note})" if result.snippet_note else ""
    return f"{result.snippet_state}{note}"


def _indented(text: Text) -> Text:
    """Return the lines six columns further right, without blanks at their ends."""
    lines = text.split("\n")
    for line in lines:
        line.rstrip()
    return Text("\n").join([Text("      ") + line for line in lines])
