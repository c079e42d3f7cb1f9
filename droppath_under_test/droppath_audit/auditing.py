"""From the options of a command line to audits, their reports and an exit status."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import click

from droppath_audit.config import config_option
from droppath_audit.core import quantities
from droppath_audit.core.case import EAGER
from droppath_audit.core.errors import Interrupted, UsageError
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.report import HOLDS, SIGNALLED, UNUSABLE, gravest
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened, visible
from droppath_audit.instead import or_instead
from droppath_audit.ranked import in_turn, shared_out
from droppath_audit.ranks.joining import rank_timeout_option
from droppath_audit.report.baseline import baseline
from droppath_audit.report.options import asked_for, report_options, write_reports
from droppath_audit.report.streams import failure
from droppath_audit.report.writing import STANDARD_OUTPUT, Unwritable
from droppath_audit.run import processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.collected import Collector
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.report import Report
    from droppath_audit.core.waiver import Waiver
    from droppath_audit.run.journal import Journal
    from droppath_audit.run.limits import Limits
    from droppath_audit.run.plan import Settings

F = TypeVar("F", bound="Callable[..., Any] | click.Command")
REFERENCE = "droppath_reference:DropPath"
WIDTH, PLAN_WIDTH = 120, 160
MOST_JOBS = 8
LONGEST_SEED = 1000  # digits


def effort_option(default: str) -> Callable[[F], F]:
    """Return the option ``--effort`` with this default."""
    return click.option(
        "--effort",
        default=default,
        show_default=True,
        metavar="NAME",
        help="quick sees ±0.005 of a keep probability, standard ±0.0005, thorough ±0.0001.",
    )


def selection_options(function: F) -> F:
    """Add the options that say which trials run, and from which seed."""
    options = (
        click.option(
            "--only",
            multiple=True,
            metavar="PATTERN",
            help="Run only these trials: an id such as 'DP301[cpu-float32]', a check, a family (DP3xx); * is any text.",
        ),
        click.option("--skip", multiple=True, metavar="PATTERN", help="Leave these trials out."),
        click.option(
            "--seed",
            default="0",
            show_default=True,
            metavar="N",
            help="Root seed; 'fresh' draws one and prints it.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def running_options(function: F) -> F:
    """Add the options that say how trials run, what becomes of them, and where reports go."""
    options = (
        click.option(
            "--budget",
            type=float,
            default=None,
            metavar="P",
            help="Bound on the probability that a correct implementation fails.  [default: 1e-6]",
        ),
        click.option("--strict", is_flag=True, help="A broken SHOULD fails the audit as well."),
        click.option("--plan", is_flag=True, help="Print every trial with what it can see and cost; run nothing."),
        click.option(
            "--import", "imports", multiple=True, metavar="MODULE", help="Import this module before the target."
        ),
        report_options(with_json=True),
        click.option(
            "--jobs",
            type=click.IntRange(1, 256),
            metavar="N",
            help="Run trials in so many workers; the report is the same.  [default: one a processor, at most 8]",
        ),
        click.option(
            "--trial-timeout",
            metavar="TIME",
            help="Processor time after which a trial counts as hanging, such as 90s or 2m.  "
            "[default: 30s; thorough: 4m]",
        ),
        click.option(
            "--memory-limit",
            metavar="SIZE",
            help="Memory that a worker may use, such as 4GiB or 512MiB.  [default: 4GiB]",
        ),
        rank_timeout_option,
        config_option,
        click.option(
            "--baseline", metavar="FILE", help="A JSON report: what it found does not fail the audit; what is new does."
        ),
        click.option(
            "--resume", is_flag=True, help="Take over the answers of this audit's last run, which did not end."
        ),
        click.option("--no-isolation", is_flag=True, help="Run the target in this process, for debuggers."),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            help="Show tracebacks, what the target prints, and every finding in full.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def perform(targets: tuple[str, ...], options: dict[str, Any], waivers: tuple[Waiver, ...]) -> int:
    """Audit targets, print and write their reports, and return the exit status.

    Args:
        targets: SPECs, which were parsed before.
        options: As the command line gave them; ``kind`` where the targets are no layers.
        waivers: Of the configuration.

    Raises:
        UsageError: If nothing can be audited.
    """
    options["limits"] = _limits(options["trial_timeout"], options["memory_limit"])
    return shared_out(targets, options, lambda: _perform(targets, options, waivers), collector_for)


def _perform(targets: tuple[str, ...], options: dict[str, Any], waivers: tuple[Waiver, ...]) -> int:
    from droppath_audit.run.plan import Settings
    from droppath_audit.stats.budget import DEFAULT_BUDGET

    files = options["files"] = asked_for(options)
    interruption = options["interruption"] = Interruption()
    settings = Settings(
        effort=options["effort"],
        seed=root_seed(options["seed"]),
        budget=DEFAULT_BUDGET if options["budget"] is None else options["budget"],
        strict=options["strict"],
        only=options["only"],
        skip=options["skip"],
        variants=tuple(name.strip() for text in options.get("variants", ()) for name in text.split(",")) or (EAGER,),
        benchmark=options.get("benchmark", False),
    )
    options["waivers"] = (*waivers, *baseline(options["baseline"]))
    with interruption.listening(at_once=options["no_isolation"]):
        if len(targets) > 1:
            _load_once(targets, settings, options)
        if options["plan"]:
            for spec in targets:
                or_instead(spec, lambda it: _plan(it.spec, it.settings(settings), options), options)
            return HOLDS
        reports, failed = _audits(targets, settings, options)
    for report in reports:
        _say_elsewhere(report, options)
    status = gravest([report.exit_status for report in reports] + [UNUSABLE] * failed)
    if interruption.signal:
        status = SIGNALLED + interruption.signal
    if files and (reports or interruption.told):
        from droppath_audit.report.json import document

        try:
            write_reports(files, document(reports))
        except Unwritable as error:
            if status < SIGNALLED:
                raise
            click.echo(f"droppath-audit: {visible(error.message)}", err=True)
    return status


def _limits(trial_timeout: str | None, memory_limit: str | None) -> Limits:
    from droppath_audit.run.limits import MEMORY, Limits

    return Limits(
        trial_seconds=None if trial_timeout is None else quantities.seconds(trial_timeout, "--trial-timeout"),
        memory=MEMORY if memory_limit is None else quantities.size(memory_limit, "--memory-limit"),
    )


def _load_once(targets: tuple[str, ...], settings: Settings, options: dict[str, Any]) -> None:
    """Load and plan every target before the first is audited, so that none costs the others their audit.

    Raises:
        UsageError: If one of them cannot be loaded, or nothing of it is selected; the message names it.
    """
    for spec in targets:
        try:
            or_instead(spec, lambda it: _make_once(it.spec, it.settings(settings), options), options)
        except UsageError as error:
            raise UsageError(
                _naming(spec, error, error.reason), error.detail, advice=error.advice, command=error.command
            ) from error


def _make_once(spec: str, settings: Settings, options: dict[str, Any]) -> None:
    from droppath_audit.run.plan import make

    with ExitStack() as stack:
        make(collector_for(stack, spec, options).facts, settings)


def _audits(targets: tuple[str, ...], settings: Settings, options: dict[str, Any]) -> tuple[list[Report], int]:
    """Return the reports, and how many targets could not be audited after all; a signal ends them."""
    reports: list[Report] = []
    failed = 0
    for spec in in_turn(targets, options["exchange"]):
        try:
            audited = or_instead(spec, lambda it: _audit(it.spec, it.settings(settings), options), options)
            reports.append(audited)
        except Interrupted as error:
            click.echo(f"droppath-audit: {visible(error.message)}", err=True)
            break
        except UsageError as error:
            if len(targets) == 1:
                raise
            failed += 1
            click.echo(f"droppath-audit: {visible(_naming(spec, error, error.message))}", err=True)
            continue
        if reports[-1].exit_status >= SIGNALLED:
            break
    return reports, failed


def _naming(spec: str, error: UsageError, text: str) -> str:
    """Return a text of an error, with the SPEC that it is about where the error does not say so itself."""
    return text if spec in error.message else f"{shortened(spec)}: {text}"


def _on_standard_output(options: dict[str, Any]) -> bool:
    """Return whether a report goes to standard output, where the one for the terminal is not to stand beside it."""
    return STANDARD_OUTPUT in options["files"].values()


def _say_elsewhere(report: Report, options: dict[str, Any]) -> None:
    """Say the verdict on standard error where the report was for standard output, which did not take it."""
    if not _on_standard_output(options) and failure(sys.stdout):
        click.echo(f"{visible(report.facts.spec)}: {visible(report.conclusion)}", err=True)


def root_seed(text: str) -> int:
    """Return the root seed that the option names; one that nobody knows for ``fresh``.

    Raises:
        UsageError: If it is neither a whole number nor ``fresh``.
    """
    if text == "fresh":
        import secrets

        return secrets.randbelow(2**32)
    if not text.isdecimal() or len(text) > LONGEST_SEED:
        raise UsageError(f"--seed is a whole number from 0 on, or 'fresh', not {shortened(text)!r}.")
    return int(text)


def collector_for(stack: ExitStack, spec: str, options: dict[str, Any]) -> Collector:
    """Return what collects on a target, in a worker unless ``no_isolation``; it is closed with ``stack``.

    Args:
        stack: Closes the worker.
        spec: The SPEC.
        options: ``devices``, ``imports``, ``no_isolation`` and ``verbose``, as the command line gave them; ``jobs``,
            ``limits`` and ``interruption`` where the command has them.

    Raises:
        UsageError: If there is no working directory; in this process also if the target cannot be loaded.
    """
    working_directory()
    devices = options["devices"] or ("cpu",)
    if options["no_isolation"]:
        from droppath_audit.run.driving import InProcess
        from droppath_audit.run.loading import load

        loaded = load(options.get("kind", ""), spec, devices=devices, imports=options["imports"])
        return InProcess(loaded, watched=False)
    if not hasattr(os, "fork"):
        raise UsageError("This system cannot isolate the target in a process of its own; give --no-isolation.")
    from droppath_audit.run.supervisor import Supervisor

    supervisor = Supervisor(
        spec,
        devices=devices,
        imports=options["imports"],
        verbose=options["verbose"],
        jobs=_jobs(options),
        limits=options.get("limits"),
        interruption=options.get("interruption"),
        kind=options.get("kind", ""),
    )
    return stack.enter_context(supervisor)


def _jobs(options: dict[str, Any]) -> int:
    ranks = options["exchange"].here.local_size if options.get("exchange") else 1
    return options.get("jobs", 1) or max(1, processes.cores(most=MOST_JOBS * ranks) // ranks)


def _audit(spec: str, settings: Settings, options: dict[str, Any]) -> Report:
    with ExitStack() as stack:
        collector = collector_for(stack, spec, options)
        # After the worker was started, which imports the framework meanwhile.
        from droppath_audit import __version__
        from droppath_audit.core.events import AuditFinished
        from droppath_audit.report.console import console_of
        from droppath_audit.report.terminal import Terminal
        from droppath_audit.run import engine, plan
        from droppath_audit.run.explaining import Explaining
        from droppath_audit.run.sharing import Leading
        from droppath_audit.run.showing import Showing

        console = console_of(WIDTH, stderr=_on_standard_output(options))
        terminal = Terminal(console, __version__, verbose=options["verbose"])
        plan.prepare()
        journal = stack.enter_context(_journal(spec, settings, collector.facts, options))
        exchange, jobs = options["exchange"], _jobs(options)
        events = engine.run(
            collector if exchange is None else Leading(exchange, collector, jobs, options["interruption"]),
            settings,
            imports=options["imports"],
            journal=journal,
            interruption=options["interruption"],
            showing=None
            if options["no_isolation"]
            else Showing(jobs=jobs, limits=options["limits"], interruption=options["interruption"]),
            waivers=options["waivers"],
            explaining=None if options["no_isolation"] else Explaining(jobs=jobs, interruption=options["interruption"]),
        )
        for event in terminal.show(events):
            if isinstance(event, AuditFinished):
                report = event.report
    return report


def _journal(spec: str, settings: Settings, facts: Facts, options: dict[str, Any]) -> Journal:
    from droppath_audit.run.journal import Journal, asked

    devices, imports = options["devices"] or ("cpu",), options["imports"]
    what = asked(spec, settings, devices=devices, imports=imports, limits=options["limits"])
    journal = Journal(what, facts, resume=options["resume"])
    if options["resume"]:
        taken = len(journal.answers)
        said = f"{taken} answers of an earlier run are taken over" if taken else f"nothing to resume: {journal.missing}"
        click.echo(f"droppath-audit: {said}", err=True)
    return journal


def _plan(spec: str, settings: Settings, options: dict[str, Any]) -> None:
    with ExitStack() as stack:
        collector = collector_for(stack, spec, options)
        from droppath_audit.report.console import console_of
        from droppath_audit.report.plan_table import show_plan
        from droppath_audit.run.plan import make, prepare

        console = console_of(PLAN_WIDTH)
        prepare()
        facts = collector.facts
        show_plan(console, facts, make(facts, settings), settings.effort, settings.seed)
