"""``droppath-audit [audit] [SPEC …]``: audit implementations and end with the verdict."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.collected import Collector
    from droppath_audit.core.report import Report
    from droppath_audit.run.plan import Settings

REFERENCE = "droppath_reference:DropPath"
WIDTH, PLAN_WIDTH = 120, 160
EXAMPLES = """\b
Examples:
  droppath-audit my_package.layers:DropPath --effort quick
  droppath-audit path/to/file.py:drop_path --only DP3xx
  droppath-audit 'my_package.layers:DropPath?scaling=none' --plan
  droppath-audit timm --json report.json
"""


@click.command(epilog=EXAMPLES)
@click.argument("specs", nargs=-1, metavar="[SPEC ...]")
@click.option(
    "--effort",
    default="standard",
    show_default=True,
    metavar="NAME",
    help="quick sees ±0.005 of a keep probability, standard ±0.0005, thorough ±0.0001.",
)
@click.option(
    "--device", "devices", multiple=True, metavar="NAME", help="Device to run on; repeatable.  [default: cpu]"
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Run only these trials: an id such as 'DP301[cpu-float32]', a check, a family (DP3xx); * is any text.",
)
@click.option("--skip", multiple=True, metavar="PATTERN", help="Leave these trials out.")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Root seed; 'fresh' draws one and prints it.")
@click.option(
    "--budget",
    type=float,
    default=None,
    metavar="P",
    help="Bound on the probability that a correct implementation fails.  [default: 1e-6]",
)
@click.option("--strict", is_flag=True, help="A broken SHOULD fails the audit as well.")
@click.option("--plan", is_flag=True, help="Print every trial with what it can see and cost; run nothing.")
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="Import this module before the target.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the JSON report ('-' for standard output).",
)
@click.option("--no-isolation", is_flag=True, help="Run the target in this process, for debuggers.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Show tracebacks, what the target prints, and every finding in full.",
)
def command(specs: tuple[str, ...], **options: Any) -> int:
    """Audit implementations of DropPath; without a SPEC, the embedded reference.

    SPEC is package.module:Name or path/to/file.py:Name, followed by what its signature does not say:
    '?granularity=batch&scaling=none', 'prob=NAME:keep', 'training=NAME' …
    """
    from droppath_audit.run.plan import Settings
    from droppath_audit.stats.budget import DEFAULT_BUDGET
    from droppath_audit.targets.spec import parse

    if options["json_file"]:
        refuse_unwritable(options["json_file"])
    settings = Settings(
        effort=options["effort"],
        seed=root_seed(options["seed"]),
        budget=DEFAULT_BUDGET if options["budget"] is None else options["budget"],
        strict=options["strict"],
        only=options["only"],
        skip=options["skip"],
    )
    targets = specs or (REFERENCE,)
    for spec in targets:
        parse(spec)  # a slip of the pen in any of them is answered before the first is audited
    reports: list[Report] = []
    for spec in targets:
        if options["plan"]:
            _plan(spec, settings, options)
        else:
            reports.append(_audit(spec, settings, options))
    if options["json_file"]:
        _write_json(options["json_file"], reports)
    statuses = [report.exit_status for report in reports]
    # The gravest: a finding before a question left open before nothing executed.
    return next((status for status in (1, 2, 3) if status in statuses), 0)


def root_seed(text: str) -> int:
    """Return the root seed that the option names; one that nobody knows for ``fresh``.

    Raises:
        UsageError: If it is neither a whole number nor ``fresh``.
    """
    from droppath_audit.core.errors import UsageError

    if text == "fresh":
        import secrets

        return secrets.randbelow(2**32)
    if not text.isdecimal():
        raise UsageError(f"--seed is a whole number from 0 on, or 'fresh', not {text!r}.")
    return int(text)


def collector_for(stack: ExitStack, spec: str, options: dict[str, Any]) -> Collector:
    """Return what collects on a target, in a worker unless ``no_isolation``; it is closed with ``stack``.

    Args:
        stack: Closes the worker.
        spec: The SPEC.
        options: ``devices``, ``imports``, ``no_isolation`` and ``verbose``, as the command line gave them.
    """
    devices = options["devices"] or ("cpu",)
    if options["no_isolation"]:
        from droppath_audit.run.driving import InProcess
        from droppath_audit.targets.loader import load

        return InProcess(load(spec, devices=devices, imports=options["imports"]))
    from droppath_audit.run.supervisor import Supervisor

    return stack.enter_context(
        Supervisor(spec, devices=devices, imports=options["imports"], verbose=options["verbose"])
    )


def _audit(spec: str, settings: Settings, options: dict[str, Any]) -> Report:
    from droppath_audit import __version__
    from droppath_audit.core.events import AuditFinished
    from droppath_audit.report.terminal import Terminal
    from droppath_audit.run import engine

    console = console_of(WIDTH, stderr=options["json_file"] == "-")
    terminal = Terminal(console, __version__, verbose=options["verbose"])
    with ExitStack() as stack:
        collector = collector_for(stack, spec, options)
        for event in terminal.show(engine.run(collector, settings, imports=options["imports"])):
            if isinstance(event, AuditFinished):
                report = event.report
    return report


def console_of(width: int, *, stderr: bool = False) -> Console:
    """Return the console, of at least this width where nobody watches: a log has no edge."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(width, console.width)
    return console


def _plan(spec: str, settings: Settings, options: dict[str, Any]) -> None:
    from droppath_audit.report.terminal import show_plan
    from droppath_audit.run.plan import make

    console = console_of(PLAN_WIDTH)
    with ExitStack() as stack:
        facts = collector_for(stack, spec, options).facts
        show_plan(console, facts, make(facts, settings), settings.effort, settings.seed)


def _write_json(file: str, reports: list[Report]) -> None:
    from droppath_audit.report.json import dumps

    if not reports:
        return
    if file == "-":
        click.echo(dumps(reports), nl=False)
    else:
        Path(file).write_text(dumps(reports), encoding="utf-8")


def refuse_unwritable(file: str) -> None:
    """Raise if the report will have nowhere to go; asked before the audit, whose work would be lost."""
    import os

    from droppath_audit.core.errors import UsageError

    path = Path(file)
    folder = path.absolute().parent
    if file == "-":
        return
    if not folder.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"{path} cannot be written.")
