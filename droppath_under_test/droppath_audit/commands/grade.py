"""``droppath-audit grade TESTS --target SPEC``: what do a user's own tests see?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.commands import Command
from droppath_audit.core.errors import UsageError
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.report import FINDING, HOLDS
from droppath_audit.report.streams import failure
from droppath_audit.report.writing import refuse_unwritable, write

if TYPE_CHECKING:
    from rich.progress import Progress

WIDTH = 80
EXAMPLES = """\b
Examples:
  droppath-audit grade tests/test_drop.py --target my_package.layers:DropPath
  droppath-audit grade tests/test_drop.py --target my_package.layers:drop_path --at-least 60
  droppath-audit grade tests --target my_package.layers:DropPath -- -k drop
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("tests", nargs=-1, metavar="TESTS... [-- PYTEST_ARGUMENTS]", type=click.UNPROCESSED)
@click.option("--target", metavar="SPEC", help="What the tests test, as they import it.  [required]")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Runs at a time.  [default: one a processor]")
@click.option(
    "--seeds",
    type=click.IntRange(2, 10_000),
    metavar="N",
    help="Runs of each sound variant, each with a seed of its own.  [default: 5 to 20, as two minutes allow]",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only these mutants and sound variants; * is any text.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1.0),
    metavar="SECONDS",
    help="Wall time after which a run is ended, which counts as seen.  [default: 10, and ten times one on the target]",
)
@click.option(
    "--at-least",
    type=click.FloatRange(0.0, 100.0),
    metavar="PERCENT",
    help="Exit with 1 where the tests see fewer faults than that.",
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False), metavar="FILE", help="Write everything as JSON.")
@click.option("--markdown", type=click.Path(dir_okay=False), metavar="FILE", help="Write the grade as Markdown.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback behind an error.")
def command(
    tests: tuple[str, ...],
    target: str | None,
    jobs: int | None,
    seeds: int | None,
    only: tuple[str, ...],
    timeout: float | None,
    at_least: float | None,
    json_file: str | None,
    markdown: str | None,
    verbose: bool,  # noqa: ARG001 - whoever reports errors looks for it
) -> int:
    """Run your own tests on faulty and on sound implementations in the target's place, and tell what they see.

    The faults are those that this suite's own checks are held to; what the tests let through is listed with the check
    that sees it there. Sound implementations of other styles run under many seeds. Every run is a process of its own.

    Exit status: 0 the tests were graded, 1 they see less than --at-least, 2 they do not pass on the target, or nothing
    can be put in its place.
    """
    from droppath_audit.grading.asking import Asked, graded
    from droppath_audit.report.console import console_of, progress_on
    from droppath_audit.report.grade_json import dumps
    from droppath_audit.report.grade_markdown import text
    from droppath_audit.report.grade_table import conclusion, show
    from droppath_audit.run.processes import cores

    if not tests:
        raise UsageError("Name the tests to grade: a file or folder, as pytest is given it.")
    if not target:
        raise UsageError("Name what the tests test, as they import it: --target my_package.layers:DropPath")
    for name in (json_file, markdown):
        if name:
            refuse_unwritable(name)
    interruption = Interruption()
    asked = Asked(target, tests, jobs or cores(), seeds, only, timeout)
    with interruption.listening(), progress_on(console_of(WIDTH, stderr=True)) as progress:
        grade = graded(asked, interruption, _Telling(progress))
    show(console_of(WIDTH, stderr="-" in (json_file, markdown)), grade, at_least=at_least)
    if "-" not in (json_file, markdown) and failure(sys.stdout):
        click.echo(conclusion(grade), err=True)
    if json_file:
        write(json_file, dumps(grade))
    if markdown:
        write(markdown, text(grade))
    below = at_least is not None and (grade.percent is None or grade.percent < at_least)
    return FINDING if below else HOLDS


class _Telling:
    """Shows how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("the tests on the target", total=None)

    def __call__(self, message: dict[str, Any]) -> None:
        if "step" in message:
            self._progress.update(self._task, description=message["step"], total=message["total"], completed=0)
        elif "done_one" in message:
            self._progress.update(self._task, advance=1)
