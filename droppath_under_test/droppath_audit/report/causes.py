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
    from droppath_audit.core.result import Result
    from droppath_audit.core.waiver import Waived

FULL = 4  # causes that are told in full
STYLES = {Level.MUST: "bold red", Level.SHOULD: "yellow", Level.INFO: "dim"}


def show_causes(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Print what fails the audit in full, then what does not, a line each."""
    broken = {result.trial.id: result for result in report.results if result.bad}
    findings = {result.trial.id for result in report.findings}
    failing = [cause for cause in report.causes if findings & set(cause.trials)]
    others = [cause for cause in report.causes if cause not in failing and broken.keys() & set(cause.trials)]
    full = failing if verbose else failing[:FULL]
    for number, cause in enumerate(full, start=1):
        console.print()
        _show(console, number, cause, report)
    rest = failing[len(full) :]
    if rest or others or report.waivers:
        console.print()
    for cause in (*rest, *others):
        _line(console, cause, report)
    for waived in report.waivers:
        _waiver(console, waived)


def _show(console: Console, number: int, cause: Cause, report: Report) -> None:
    telling = _telling(cause, report)
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
    trials = len(cause.trials)
    row(console, "breaks", f"{_names(cause, report)} ({trials} trial{'s' if trials > 1 else ''})")
    if not found:
        row(console, "promised", telling.promised)
    row(console, "seen", f"{verdict.observed}, in {telling.trial.id}")
    hint = verdict.hint or _hint(cause, report)
    if hint:
        row(console, "hint", hint)
    row(console, "change", cause.fix)
    unbroken(console, Text.assemble(("    rerun    ", "bold"), telling.reproduce))


def _line(console: Console, cause: Cause, report: Report) -> None:
    """Print a cause on one line, of which the end is cut where the console is narrow."""
    telling = _telling(cause, report)
    at = f" ({_path(cause.place.file)}:{cause.place.line})" if cause.kind != DEFINITION else ""
    observed = " ".join(telling.verdict.observed.split())
    # By name the first, by their ids the others, so that there is room for what was seen.
    others = [check for check in cause.checks if check != telling.trial.check]
    said = f"{', '.join([f'{telling.trial.check} {telling.trial.slug}', *others])}: {observed}{at}"
    _cut(console, (f"  {cause.level:<6} ", STYLES[cause.level]), said)


def _names(cause: Cause, report: Report) -> str:
    """Return the checks that a cause breaks, each by its id and name."""
    slugs = {result.trial.check: result.trial.slug for result in report.results}
    return ", ".join(f"{check} {slugs[check]}" for check in cause.checks)


def _hint(cause: Cause, report: Report) -> str:
    """Return what another trial of a cause says would be added if that were meant; empty where none does."""
    hints = (result.verdict.hint for result in report.results if result.bad and result.trial.id in cause.trials)
    return next((hint for hint in hints if hint), "")


def _telling(cause: Cause, report: Report) -> Result:
    """Return what tells most of a cause; of what is not waived, where not all of it is."""
    results = [result for result in report.results if result.trial.id in cause.trials]
    return min(results, key=lambda result: (not result.bad, result.trial.id != cause.telling))


def _waiver(console: Console, waived: Waived) -> None:
    """Print what became of a waiver on one line."""
    one, number = waived.waiver, len(waived.trials)
    trials = f"{number} trial{'s' if number != 1 else ''}"
    if waived.expired:
        said, style = f"the waiver of {one.check} has expired on {one.until} ({trials}): {one.reason}", "bold red"
    elif not number:
        said, style = f"the waiver of {one.check} matches nothing, and can go: {one.reason}", "yellow"
    else:
        until = f", until {one.until}" if one.until else ""
        said, style = f"{one.check}, {trials}{until}: {one.reason}", "dim"
    _cut(console, ("  waived ", style), said)


def _cut(console: Console, head: tuple[str, str], said: str) -> None:
    """Print one line, of which the end is cut where the console is narrow."""
    line = Text.assemble(head, said, no_wrap=True, overflow="ellipsis")
    line.truncate(console.width, overflow="ellipsis")
    console.print(line, markup=False)


def _path(file: str) -> str:
    """Return a path as short as it can be written from here."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file
