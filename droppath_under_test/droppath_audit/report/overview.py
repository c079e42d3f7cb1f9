"""What held and what did not, in a line a family or, with ``-v``, a line a check."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from droppath_audit.core.case import EAGER
from droppath_audit.core.documentation import FAMILIES
from droppath_audit.core.level import Level
from droppath_audit.core.recording import RECORDED
from droppath_audit.core.report import ended
from droppath_audit.core.verdict import Outcome
from droppath_audit.report.console import fitting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from droppath_audit.core.report import Report
    from droppath_audit.core.result import Result

STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.WAIVED: "yellow",
    Outcome.NOT_APPLICABLE: "dim",
}
# What a check's line says when its trials differ: the first of these that occurs.
GRAVITY = (
    Outcome.ERROR,
    Outcome.FAIL,
    Outcome.WAIVED,
    Outcome.INCONCLUSIVE,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)


def by_variant(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Return the results of each variant; those of a recording, whose variants are sizes of a batch, are of one."""
    found: dict[str, list[Result]] = {}
    for result in results:
        case = result.trial.case
        found.setdefault(EAGER if case.device == RECORDED else case.variant, []).append(result)
    return found


def part_run(variant: str, results: Sequence[Result]) -> Text:
    """Return which checks are run in a variant, and which are not at all."""
    ran = {one.trial.check for one in results if one.outcome is not Outcome.NOT_APPLICABLE}
    away = sorted({one.trial.check for one in results} - ran)
    said = f" in {variant}: {len(ran)} checks are run; not run: {', '.join(away)}" if away else f" in {variant}"
    return Text(said)


def families(width: int, results: Sequence[Result]) -> Table:
    """Return a line per family: how many trials of each level passed, of how many that were run."""
    wide, narrow = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 1))
    for _ in range(4):
        wide.add_column(no_wrap=True)
    narrow.add_column(overflow="fold")
    for digit, group in groupby(results, key=lambda result: result.trial.check[2]):
        rows = list(group)
        cells = [_count(level, [row for row in rows if row.level is level]) for level in Level]
        if not any(cell.plain for cell in cells):
            cells[0] = Text("not applicable", style="dim")
        wide.add_row(Text(f"  {FAMILIES[digit]}"), *cells)
        said = Text(" · ").join(cell for cell in cells if cell.plain)
        narrow.add_row(Text.assemble(FAMILIES[digit], ": ", said))
    return wide if fitting(wide, width) else narrow


def _count(level: Level, rows: Sequence[Result]) -> Text:
    ran = [row for row in rows if row.outcome is not Outcome.NOT_APPLICABLE]
    if not ran:
        return Text()
    passed = sum(row.outcome is Outcome.PASS for row in ran)
    bad = any(row.bad for row in ran)
    style = "green" if passed == len(ran) else ("bold red" if bad and level is Level.MUST else "yellow")
    return Text(f"{level} {passed}/{len(ran)}", style=style)


def checks(width: int, results: Sequence[Result]) -> Table:
    """Return a line per check: family, name, verdict, trials passed of trials run, and what it sees.

    Where the console has no room for that, a family has a line of its own; where it has none for that either, the
    verdict follows the check's id, and the rest is folded beside it.
    """
    wide, medium, narrow = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2)), Table.grid(padding=(0, 1))
    for table, fixed in ((wide, 4), (medium, 3), (narrow, 1)):
        for _ in range(fixed):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
    family = ""
    for check, group in groupby(results, key=lambda result: result.trial.check):
        rows = list(group)
        trial = rows[0].trial
        worst = next(outcome for outcome in GRAVITY if any(row.outcome is outcome for row in rows))
        ran = [row for row in rows if row.outcome is not Outcome.NOT_APPLICABLE]
        passed = sum(row.outcome is Outcome.PASS for row in ran)
        name = FAMILIES[check[2]]
        heavy = worst is not Outcome.FAIL or any(row.bad and row.level is Level.MUST for row in rows)
        word = Text(str(worst) if heavy else "warn", style=STYLES[worst])
        note = Text(_why_not(rows) if worst is Outcome.NOT_APPLICABLE else _sees(ran), style="dim")
        note = note or Text(ran[0].verdict.brief, style="dim") if ran else note
        count = Text(f"{passed}/{len(ran)}" if ran else "", justify="right")
        if name != family:
            medium.add_row(Text(f"  {name}"))
            narrow.add_row("", Text(name))
        wide.add_row(Text(f"  {name if name != family else ''}"), Text(f"{check} {trial.slug}"), word, count, note)
        medium.add_row(Text(f"    {check} {trial.slug}"), word, count, note)
        said = Text(" ").join(part for part in (word, count, Text(trial.slug)) if part)
        narrow.add_row(Text(check), Text(" · ").join(part for part in (said, note) if part))
        family = name
    return next((table for table in (wide, medium) if fitting(table, width)), narrow)


def _why_not(results: Sequence[Result]) -> str:
    """Return why most of these trials did not apply: that of the first, at an end of drop_prob, is often its own."""
    ((reason, _),) = Counter(result.verdict.observed for result in results).most_common(1)
    return reason


def _sees(results: Sequence[Result]) -> str:
    designs = [result.trial.design for result in results if result.trial.design is not None]
    if not designs:
        return ""
    resolutions = sorted({f"{design.resolves:.2g}" for design in designs}, key=float)
    spread = resolutions[0] if len(resolutions) == 1 else f"{resolutions[0]} to {resolutions[-1]}"
    return f"sees ±{spread} in {designs[0].quantity}"


def unseen(results: Iterable[Result]) -> list[tuple[str, str]]:
    """Return the checks none of whose trials applied, each by id and name, with the reason."""
    found = []
    for check, group in groupby(results, key=lambda result: result.trial.check):
        rows = list(group)
        if all(row.outcome is Outcome.NOT_APPLICABLE for row in rows):
            found.append((f"{check} {rows[0].trial.slug}", _why_not(rows)))
    return found


def summary(report: Report) -> Text:
    """Return how many trials there were, how those of each level ended, and the verdict."""
    counts = report.counts
    words = [f"{counts['planned']} planned", f"{counts['run']} run"]
    if counts["not-applicable"]:
        words.append(f"{counts['not-applicable']} not applicable")
    loading = "import" if report.facts.recording is None else "reading"
    words.append(f"{report.seconds:.1f} s + {report.facts.import_seconds:.1f} s {loading}")
    said = Text(" " + " · ".join(words) + "\n")
    for level, of_it in report.levels.items():
        if of_it["run"]:
            said.append(f" {level:<6} {' · '.join(ended(of_it))}\n")
    if report.expected:
        said.append(f" {report.expected}\n")
    return said + Text.assemble((f" {report.conclusion}", STYLES[report.verdict]), f" · exit {report.exit_status}")
