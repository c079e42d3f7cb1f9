"""The terminal report: a line per check while it runs, then every finding in full, then the counts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from droppath_audit.core.documentation import FAMILIES
from droppath_audit.core.events import AuditFinished, AuditStarted, Event, ScriptsStarted, TrialFinished
from droppath_audit.core.level import Level
from droppath_audit.core.report import ended
from droppath_audit.core.result import SHOWN
from droppath_audit.core.verdict import Outcome
from droppath_audit.core.visible import visible_texts
from droppath_audit.report.console import fitting, foldable, progress_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.report import Report
    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial

STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NOT_APPLICABLE: "dim",
}
# What a check's line says when its trials differ: the first of these that occurs.
GRAVITY = (
    Outcome.ERROR,
    Outcome.FAIL,
    Outcome.INCONCLUSIVE,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)
BESIDE = 40  # columns of a console that has room for a text beside its name
OTHERS = 6  # further trials of a check with a finding that are named


class Terminal:
    """Prints events as they come.

    Args:
        console: Where to.
        version: Version of this package, for the heading.
        verbose: Whether to print tracebacks and every finding in full.
    """

    def __init__(self, console: Console, version: str, *, verbose: bool = False) -> None:
        self._console, self._version, self._verbose = console, version, verbose

    def show(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events on, showing progress on a terminal and the report at the end."""
        with progress_on(self._console) as progress:
            task = progress.add_task("loading the target", total=None)
            for event in events:
                if isinstance(event, AuditStarted):
                    self._heading(visible_texts(event.facts))
                    progress.update(task, description="auditing", total=len(event.trials))
                elif isinstance(event, TrialFinished):
                    trial = event.result.trial
                    progress.update(task, description=f"{trial.check} {trial.slug}", advance=1)
                elif isinstance(event, ScriptsStarted):
                    progress.update(task, description="running the scripts of findings")
                yield event
                if isinstance(event, AuditFinished):
                    progress.stop()
                    self._report(visible_texts(event.report))

    def _print(self, *objects: object) -> None:
        self._console.print(*objects, markup=False)

    def _print_unbroken(self, text: Text) -> None:
        """Print lines that somebody may copy: what is too long for the console is not broken."""
        self._console.print(text, soft_wrap=True)

    def _heading(self, facts: Facts) -> None:
        package = f"  ({facts.package})" if facts.package else ""
        name = f"{facts.spec} = {facts.stands_for}" if facts.stands_for else facts.spec
        self._print_unbroken(Text.assemble((f"droppath-audit {self._version}", "bold"), f"    {name}{package}"))
        if facts.origin:
            self._print_unbroken(Text(f"source   {facts.origin}"))
        devices = ", ".join(facts.devices)
        if facts.called:
            self._print_unbroken(Text(f"called   {facts.called}"))
        self._print(f"dialect  {facts.arguments} · {facts.dialect.describe()}")
        for note in facts.notes:
            self._print(f"read     {note}")
        if facts.recording is None:
            self._print(f"on       {facts.framework} {facts.framework_version} · {devices}")
        elif facts.framework_version:
            self._print(f"recorded {facts.framework_version}")

    def _report(self, report: Report) -> None:
        self._print(
            f"audit    effort {report.effort} · seed {report.seed} · budget {report.budget:g} "
            "(bound on the probability that correct code fails)"
        )
        self._print()
        self._print(_checks(self._console.width, report.results))
        for result, others in _first_of_each(report.findings):
            self._finding(result, others)
        for result, others in _first_of_each(report.warnings):
            self._finding(result, others)
        if report.open:
            self._print()
            for result in report.open:
                self._print(f"inconclusive  {result.trial.id}: {result.verdict.observed}")
        self._print()
        self._print(_summary(report))

    def _finding(self, result: Result, others: Sequence[Result]) -> None:
        trial, verdict = result.trial, result.verdict
        level = "" if result.level is Level.MUST else f" ({result.level}: does not fail the audit)"
        self._print()
        style = "bold red" if result.level is Level.MUST else "yellow"
        title = f"{trial.check} {trial.slug} [{trial.case.describe()}]{level}"
        line = "─" if _unicode(self._console) else "-"
        if cell_len(title) < self._console.width:
            self._print(Rule(Text(title, style=style), align="left", characters=line))
        else:  # which a rule would cut
            self._print(Text(title, style=style))
        rows = [
            ("promised", result.promised),
            ("observed", verdict.observed),
            ("hint", verdict.hint),
            ("why", result.why),
            ("fix", result.fix),
        ]
        for name, text in rows:
            if text:
                self._row(name, text)
        if others and not self._verbose:
            shown = ", ".join(other.trial.case.slug for other in others[:OTHERS])
            more = f" and {len(others) - OTHERS} more (-v shows them)" if len(others) > OTHERS else ""
            self._row("also", f"{shown}{more}")
        self._print_unbroken(Text.assemble(_name("reproduce"), result.reproduce))
        if result.traceback and self._verbose:
            self._print(_name("traceback"))
            self._print_unbroken(_indented(Text(result.traceback.strip("\n"))))
        if result.snippet:
            self._row("snippet", f"{_became(result)}:")
            code = Syntax("", "python", background_color="default").highlight(result.snippet)
            self._print_unbroken(_indented(code))
        if self._verbose:
            for other in others:
                self._finding(other, ())

    def _row(self, name: str, text: str) -> None:
        if self._console.width < BESIDE:
            self._print(_name(name))
            self._print(Padding(Text(text, overflow="fold"), (0, 0, 0, 4)))
            return
        table = Table.grid()
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(_name(name), Text(text))
        self._print(table)


def _became(result: Result) -> str:
    """Return in words what became of a script."""
    if result.snippet_state == SHOWN:
        return "shows it without this package; it was run, and fails"
    note = f" ({result.snippet_note})" if result.snippet_note else ""
    return f"{result.snippet_state}{note}"


def _name(name: str) -> Text:
    return Text(f"  {name:<10} ", style="bold")


def _indented(text: Text) -> Text:
    """Return the lines six columns further right, without blanks at their ends."""
    lines = text.split("\n")
    for line in lines:
        line.rstrip()
    return Text("\n").join([Text("      ") + line for line in lines])


def _unicode(console: Console) -> bool:
    return (console.encoding or "").lower().startswith("utf")


def _first_of_each(results: Sequence[Result]) -> list[tuple[Result, list[Result]]]:
    """Return the first broken trial of each check with the others of that check."""
    grouped = []
    for _, group in groupby(results, key=lambda result: result.trial.check):
        first, *others = group
        grouped.append((first, others))
    return grouped


def _checks(width: int, results: Sequence[Result]) -> Table:
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
        note = Text(rows[0].verdict.observed if worst is Outcome.NOT_APPLICABLE else _sees(ran), style="dim")
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


def _sees(results: Sequence[Result]) -> str:
    designs = [result.trial.design for result in results if result.trial.design is not None]
    if not designs:
        return ""
    resolutions = sorted({f"{design.resolves:.2g}" for design in designs}, key=float)
    spread = resolutions[0] if len(resolutions) == 1 else f"{resolutions[0]} to {resolutions[-1]}"
    return f"sees ±{spread} in {designs[0].quantity}"


def _summary(report: Report) -> Text:
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
    return said + Text.assemble((f" {report.conclusion}", STYLES[report.verdict]), f" · exit {report.exit_status}")


def show_plan(console: Console, facts: Facts, trials: Sequence[Trial], effort: str, seed: int) -> None:
    """Print every trial with what it can see and what it costs."""
    facts, trials = visible_texts(facts), visible_texts(trials)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("trial", "level", "sees", "of", "decisions", "false alarm"):
        table.add_column(column, no_wrap=column == "trial", justify="right" if column == "decisions" else "left")
    for trial in trials:
        name, level = Text(trial.id), str(trial.level)
        if trial.reason:
            table.add_row(name, level, "", Text(f"not applicable: {trial.reason}"), "", "")
        elif trial.design is None:
            table.add_row(name, level, "exact", "", "", "never")
        else:
            design = trial.design
            table.add_row(
                name,
                level,
                f"±{design.resolves:.2g}",
                Text(f"{design.quantity}: {trial.case.detail}" if trial.case.detail else design.quantity),
                f"{design.decisions:,}",
                f"{trial.alpha:.1e}",
            )
    console.print(f"{facts.spec}    {facts.arguments} · {facts.dialect.describe()}", markup=False, soft_wrap=True)
    console.print(f"effort {effort} · seed {seed}")
    console.print(foldable(table, console.width))
    run = [trial for trial in trials if not trial.reason]
    statistical = [trial for trial in run if trial.design is not None]
    decisions = sum(trial.design.decisions for trial in statistical if trial.design is not None)
    console.print(
        f"{len(trials)} planned, {len(run)} to run, {len(statistical)} of them statistical "
        f"with about {decisions:,} mask decisions; nothing was run."
    )
