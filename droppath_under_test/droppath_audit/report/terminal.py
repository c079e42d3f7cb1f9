"""The terminal report: progress while it runs, then what is wrong, what held, family by family, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from droppath_audit.core.case import EAGER
from droppath_audit.core.events import AuditFinished, AuditStarted, Event, ScriptsStarted, TrialFinished
from droppath_audit.core.facts import MODEL, SCHEDULE
from droppath_audit.core.visible import visible_texts
from droppath_audit.report.causes import show_causes
from droppath_audit.report.console import progress_on
from droppath_audit.report.cost_table import show_costs
from droppath_audit.report.declaring import declaring
from droppath_audit.report.findings import row, show_findings, unbroken
from droppath_audit.report.network import show_network
from droppath_audit.report.overview import by_variant, checks, families, part_run, summary, unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.report import Report

UNSEEN = 4  # checks that did not apply that are named
OPEN = 6  # inconclusive trials that are named


class Terminal:
    """Prints events as they come.

    Args:
        console: Where to.
        version: Version of this package, for the heading.
        verbose: Whether to print a line a check and every finding in full, with its script.
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

    def _heading(self, facts: Facts) -> None:
        package = f"  ({facts.package})" if facts.package else ""
        name = f"{facts.spec} = {facts.stands_for}" if facts.stands_for else facts.spec
        unbroken(self._console, Text.assemble((f"droppath-audit {self._version}", "bold"), f"    {name}{package}"))
        if facts.origin:
            unbroken(self._console, Text(f"source   {facts.origin}"))
        devices = ", ".join(facts.devices)
        if facts.called:
            unbroken(self._console, Text(f"called   {facts.called}"))
        if facts.kind == MODEL:
            self._print(f"found    {facts.arguments}")
        elif facts.kind == SCHEDULE:
            self._print(f"means    {facts.arguments}")
        else:
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
            f"(bound on the probability that correct code fails{_each(report)})"
        )
        if report.facts.kind == MODEL:
            show_network(self._console, report, verbose=self._verbose)
        show_causes(self._console, report, verbose=self._verbose)
        if self._verbose:
            show_findings(self._console, [*report.findings, *report.warnings])
        for variant, results in by_variant(report.results).items():
            self._print()
            if variant != EAGER:
                self._print(part_run(variant, results))
            self._print((checks if self._verbose else families)(self._console.width, results))
        show_costs(self._console, report)
        self._not_seen(report)
        if meant := declaring(report):
            self._print()
            self._print("    if all that the hints name is meant, run next")
            unbroken(self._console, Text(f"    {meant}"))
        self._print()
        self._print(summary(report))
        if report.findings and not self._verbose:
            self._print(Text(" -v tells each finding in full, with a script that shows it without this package", "dim"))

    def _not_seen(self, report: Report) -> None:
        """Print what has no answer, and what did not apply as a whole."""
        if report.open:
            self._print()
        most = len(report.open) if self._verbose else OPEN
        for result in report.open[:most]:
            self._print(f"  inconclusive  {result.trial.id}: {result.verdict.observed}")
        if len(report.open) > most:
            self._print(f"  inconclusive  {len(report.open) - most} more, which -v names")
        # Of other variants it is said above what is not run.
        away = [] if self._verbose else unseen(by_variant(report.results).get(EAGER, ()))
        if away:
            more = f", and {len(away) - UNSEEN} checks more, which -v names" if len(away) > UNSEEN else ""
            named = "; ".join(f"{check} ({reason})" for check, reason in away[:UNSEEN])
            self._print()
            row(self._console, "not run", f"{named}{more}")


def _each(report: Report) -> str:
    """Return what the budget holds for, where that is not the whole report."""
    several = len(by_variant(report.results)) > 1 or len(report.facts.devices) > 1
    return " on one device, in one variant" if several else ""
