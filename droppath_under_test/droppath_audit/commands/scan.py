"""``droppath-audit scan PACKAGE_OR_FOLDER``: find look-alikes of DropPath, and audit one of each group of equals."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.auditing import collector_for, effort_option, root_seed, selection_options
from droppath_audit.commands import Command
from droppath_audit.core.errors import Interrupted, Unimportable, UsageError
from droppath_audit.core.files import reason
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.report import SIGNALLED
from droppath_audit.core.visible import visible
from droppath_audit.report.streams import failure
from droppath_audit.report.writing import Unwritable, refuse_unwritable, write

if TYPE_CHECKING:
    from rich.progress import Progress

    from droppath_audit.core.report import Report
    from droppath_audit.core.scanned import Group, Place, Scan
    from droppath_audit.run.plan import Settings
    from droppath_audit.scanning.finding import LookAlike
    from droppath_audit.scanning.sources import File, Sources

WIDTH = 120
LOCAL = "it is defined inside a function, where no SPEC can name it"
EXAMPLES = """\b
Examples:
  droppath-audit scan timm                       an installed package
  droppath-audit scan path/to/repository         a folder, installed or not
  droppath-audit scan transformers --list        find and group, audit nothing
  droppath-audit scan my_package --json scan.json --lifted lifted
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("target", metavar="PACKAGE_OR_FOLDER", default="")
@click.option("--list", "list_only", is_flag=True, help="Find and group definitions; audit nothing.")
@effort_option("quick")
@selection_options
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="Import this module before each target.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write everything that was found, with every audit in full, to FILE ('-' for standard output).",
)
@click.option(
    "--lifted",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Keep definitions that had to be lifted out of their files in FOLDER, so that each can be audited alone.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Run trials in so many workers; the reports are the same.  [default: one a processor, at most 8]",
)
@click.option("-v", "--verbose", is_flag=True, help="List every place and every file that was skipped.")
def command(target: str, **options: Any) -> int:
    """Find look-alikes of DropPath in a package or folder, and audit one of each group of equal definitions.

    Nothing is imported to find them. A definition whose file cannot be imported is lifted out of it, with what it needs
    of that file; one that cannot be driven is listed with the reason.

    Exit status: 0 every MUST holds, 1 at least one finding, 2 one could not be driven or none was found, 3 no finding
    but something inconclusive; with --list 0 if there are any.
    """
    from droppath_audit import __version__
    from droppath_audit.core.scanned import Scan
    from droppath_audit.report.console import console_of
    from droppath_audit.report.scan_table import show
    from droppath_audit.scanning.sources import locate

    if not target:
        raise UsageError("Name what to scan: a package, as it is imported, or a folder.")
    if options["json_file"]:
        refuse_unwritable(options["json_file"])
    seed = root_seed(options["seed"])
    started = time.perf_counter()
    sources = locate(target)
    interruption = options["interruption"] = Interruption()
    scan = Scan(target, sources.where, __version__, len(sources.files), 0, (), sources.skipped, options["effort"], seed)
    scan = replace(scan, audited=not options["list_only"])
    with ExitStack() as stack:
        stack.enter_context(interruption.listening())
        progress = stack.enter_context(_progress())
        scan, alikes = _found(scan, sources, interruption, progress)
        if scan.audited and alikes:
            scan = _Auditing(scan, alikes, options, stack, progress).run()
    seconds = time.perf_counter() - started
    scan = replace(scan, seconds=seconds, incomplete=interruption.reason, signal=interruption.signal)
    show(console_of(WIDTH, stderr=options["json_file"] == "-"), scan, note=sources.note, verbose=options["verbose"])
    return _written(scan, options["json_file"])


def _written(scan: Scan, json_file: str | None) -> int:
    """Write the JSON where one was asked for, and return the exit status."""
    from droppath_audit.report.scan_json import dumps
    from droppath_audit.report.scan_table import conclusion

    if json_file != "-" and failure(sys.stdout):
        click.echo(f"{visible(scan.target)}: {conclusion(scan)}", err=True)
    if json_file:
        try:
            write(json_file, dumps(scan))
        except Unwritable as error:
            if scan.exit_status < SIGNALLED:
                raise
            click.echo(f"droppath-audit: {visible(error.message)}", err=True)
    return scan.exit_status


def _progress() -> Any:
    from droppath_audit.report.console import console_of, progress_on

    return progress_on(console_of(WIDTH, stderr=True))


def _found(
    scan: Scan, sources: Sources, interruption: Interruption, progress: Progress
) -> tuple[Scan, list[list[LookAlike]]]:
    """Return the scan with its groups, and the definitions of each."""
    from droppath_audit.core.scanned import Group, Skipped
    from droppath_audit.scanning.finding import find
    from droppath_audit.scanning.grouping import groups
    from droppath_audit.scanning.reading import Unread, read

    task = progress.add_task("reading", total=len(sources.files))
    alikes: list[LookAlike] = []
    skipped: list[Skipped] = list(sources.skipped)
    parsed = 0
    for file in sources.files:
        if interruption.told:
            break
        try:
            source = read(file)
            if source is not None:
                parsed += 1
                alikes += find(source)
        except Unread as error:
            skipped.append(Skipped(file.path, str(error)))
        except RecursionError:
            skipped.append(Skipped(file.path, "is nested too deeply"))
        progress.update(task, advance=1)
    progress.remove_task(task)
    grouped = groups(alikes)
    found = tuple(
        Group(tuple(_place(alike) for alike in same), digest, same[0].by, _spec(same[0])) for digest, same in grouped
    )
    return replace(scan, read=parsed, groups=found, skipped=tuple(skipped)), [same for _, same in grouped]


def _place(alike: LookAlike) -> Place:
    from droppath_audit.core.scanned import Place

    file: File = alike.source.file
    return Place(alike.name, file.path, alike.node.lineno, file.module, alike.parts)


def _spec(alike: LookAlike) -> str:
    """Return the SPEC of a definition; empty where none can name it."""
    if alike.local:
        return ""
    from droppath_audit.targets.spec import quoted

    file = alike.source.file
    return f"{file.module or quoted(file.path)}:{alike.name}"


class _Auditing:
    """Audits the first of each group, one after the other."""

    def __init__(
        self, scan: Scan, alikes: list[list[LookAlike]], options: dict[str, Any], stack: ExitStack, progress: Progress
    ) -> None:
        from droppath_audit.run.plan import Settings, prepare
        from droppath_audit.stats.budget import DEFAULT_BUDGET

        self._scan, self._alikes, self._progress = scan, alikes, progress
        self._options = {**options, "devices": ("cpu",), "no_isolation": False, "limits": None, "verbose": False}
        self._settings: Settings = Settings(
            options["effort"], scan.seed, DEFAULT_BUDGET, False, options["only"], options["skip"]
        )
        self._kept = bool(options["lifted"])
        if self._kept:
            self._folder = Path(options["lifted"])
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"{options['lifted']} cannot be made to keep what is lifted: {reason(error)}."
                ) from None
        else:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="droppath-audit-lifted-")))
        prepare()

    def run(self) -> Scan:
        groups = list(self._scan.groups)
        for number, same in enumerate(self._alikes):
            self._task = self._progress.add_task(f"{same[0].name}, {number + 1} of {len(groups)}", total=None)
            try:
                groups[number] = self._audited(groups[number], same[0])
            except Interrupted:
                break
            finally:
                self._progress.remove_task(self._task)
            if self._options["interruption"].told:
                break
        return replace(self._scan, groups=tuple(groups))

    def _audited(self, group: Group, alike: LookAlike) -> Group:
        if alike.local:
            return replace(group, refused=LOCAL)
        try:
            return replace(group, report=self._report(group.spec))
        except Interrupted:
            raise
        except Unimportable as error:
            return self._lifted(group, alike, error)
        except _Refused as error:
            return replace(group, refused=_reason(error), command=error.command or _looked_into(group.spec))

    def _lifted(self, group: Group, alike: LookAlike, failed: UsageError) -> Group:
        """Return the group, audited apart from its file, which cannot be imported."""
        from droppath_audit.core.scanned import Lifted
        from droppath_audit.scanning.lifting import NotLiftable, lift
        from droppath_audit.targets.spec import quoted

        why = _reason(failed)
        try:
            piece = lift(alike)
        except NotLiftable as error:
            refused = f"{why}; it was not lifted out of its file, because {error}"
            return replace(group, refused=refused, command=_looked_into(group.spec))
        file = self._folder / f"{alike.name.replace('.', '_')}_{group.digest[:8]}.py"
        file.write_text(piece.text, encoding="utf-8")
        spec = f"{quoted(str(file))}:{alike.name}"
        group = replace(
            group, lifted=Lifted(why, piece.text, piece.left_out, piece.others, str(file) if self._kept else "")
        )
        try:
            return replace(group, report=self._report(spec))
        except Interrupted:
            raise
        except Unimportable as error:
            also = _reason(error)
            apart = "lifted out of its file it has what it lacks there" if also == why else f"lifted out of it: {also}"
            refused = why if _missing(also) and _missing(also) == _missing(why) else f"{why}; {apart}"
            return replace(group, refused=refused, command=_looked_into(group.spec), lifted=None)
        except _Refused as error:
            command = (error.command or _looked_into(spec)) if self._kept else ""
            return replace(group, refused=_reason(error).replace(str(file), "it"), command=command)

    def _report(self, spec: str) -> Report:
        """Return the audit of one target.

        Raises:
            Unimportable: If its file cannot be imported.
            _Refused: If it cannot be driven.
            UsageError: If the selection of trials is wrong, whatever the target.
        """
        from droppath_audit.core.events import AuditFinished, AuditStarted, TrialFinished
        from droppath_audit.run import engine

        with ExitStack() as stack:
            collector = collector_for(stack, spec, self._options)
            try:
                _ = collector.facts  # waits until the target is loaded
            except (Interrupted, Unimportable):
                raise
            except UsageError as error:
                raise _Refused.from_json(error.to_json()) from error
            events = engine.run(
                collector, self._settings, imports=self._options["imports"], interruption=self._options["interruption"]
            )
            for event in events:
                if isinstance(event, AuditStarted):
                    self._progress.update(self._task, total=len(event.trials))
                elif isinstance(event, TrialFinished):
                    self._progress.update(self._task, advance=1)
                elif isinstance(event, AuditFinished):
                    return event.report
        raise AssertionError("an audit ends with a report")


class _Refused(UsageError):
    """A target that cannot be driven."""


def _reason(error: UsageError) -> str:
    """Return why a target is refused, with what it lists, on one line; what to do about it is a command's."""
    first, *listed = (line.strip().removeprefix("- ") for line in error.reason.splitlines() or [""])
    return (f"{first} {'; '.join(listed)}" if listed else first).rstrip(".")


def _looked_into(spec: str) -> str:
    return f"droppath-audit {shlex.quote(spec)} -v"


def _missing(reason: str) -> str:
    """Return the module that a reason says is missing; empty where it is none of that kind."""
    found = re.search(r"needs the module ('[^']+')", reason)
    return found.group(1) if found else ""
