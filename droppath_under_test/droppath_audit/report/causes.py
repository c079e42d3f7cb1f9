"""Causes, as the terminal shows them: what is wrong, where, what it breaks, what to change; the gravest in full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.level import Level
from droppath_audit.report.findings import BESIDE, numbered, row, unbroken

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.cause import Cause
    from droppath_audit.core.report import Report

FULL = 4  # causes that are told in full
NAMED = 10  # checks of a cause that are named
STYLES = {Level.MUST: "bold red", Level.SHOULD: "yellow", Level.INFO: "dim"}


def show_causes(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Print what fails the audit in full, then what does not, a line each."""
    failing = [cause for cause in report.causes if _fails(cause, report)]
    others = [cause for cause in report.causes if not _fails(cause, report)]
    full = failing if verbose else failing[:FULL]
    for number, cause in enumerate(full, start=1):
        console.print()
        _show(console, number, cause, report)
    rest = failing[len(full) :]
    if rest or others:
        console.print()
    for cause in (*rest, *others):
        _line(console, cause, report)


def _fails(cause: Cause, report: Report) -> bool:
    return cause.level is Level.MUST or (report.strict and cause.level is Level.SHOULD)


def _show(console: Console, number: int, cause: Cause, report: Report) -> None:
    telling = next(result for result in report.results if result.trial.id == cause.telling)
    verdict = telling.verdict
    found = cause.kind != DEFINITION
    title = cause.sentence if found else f"{telling.trial.check} {telling.trial.slug} is broken"
    said = Text.assemble((f"{cause.level} ", STYLES[cause.level]), (title, "bold"))
    numbered(console, f"{number:>2}", said)
    if cause.place.line:
        where = f"{_path(cause.place.file)}:{cause.place.line}"
        inside = f"  in {cause.place.function}" if cause.place.function else ""
        unbroken(console, Text(f"    {where}{inside}" if found else f"    no line was found; it is defined at {where}"))
    for at, text in cause.place.around if console.width >= BESIDE else ():
        here = at == cause.place.line
        unbroken(console, Text(f"    {'>' if here else ' '} {at:>5}  {text}", style="bold" if here else "dim"))
    slugs = {result.trial.check: result.trial.slug for result in report.results}
    names = [f"{check} {slugs[check]}" for check in cause.checks]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    trials = len(cause.trials)
    row(console, "breaks", f"{', '.join(names[:NAMED])}{more} ({trials} trial{'s' if trials > 1 else ''})")
    if not found:
        row(console, "promised", telling.promised)
    row(console, "seen", f"{verdict.observed}, in {telling.trial.id}")
    if verdict.hint:
        row(console, "hint", verdict.hint)
    row(console, "change", cause.fix)
    unbroken(console, Text.assemble(("    rerun    ", "bold"), telling.reproduce))


def _line(console: Console, cause: Cause, report: Report) -> None:
    """Print a cause on one line, of which the end is cut where the console is narrow."""
    telling = next(result for result in report.results if result.trial.id == cause.telling)
    more = f" and {len(cause.checks) - 1} more" if len(cause.checks) > 1 else ""
    at = f" ({_path(cause.place.file)}:{cause.place.line})" if cause.kind != DEFINITION else ""
    observed = " ".join(telling.verdict.observed.split())
    said = f"{telling.trial.check} {telling.trial.slug}{more}: {observed}{at}"
    line = Text.assemble((f"  {cause.level:<6} ", STYLES[cause.level]), said, no_wrap=True, overflow="ellipsis")
    line.truncate(console.width, overflow="ellipsis")
    console.print(line, markup=False)


def _path(file: str) -> str:
    """Return a path as short as it can be written from here."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
