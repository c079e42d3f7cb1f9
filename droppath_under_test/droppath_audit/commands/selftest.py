"""``droppath-audit selftest``: every check against every mutant and every sound variant."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.commands import Command
from droppath_audit.report.streams import failure
from droppath_audit.report.writing import refuse_unwritable, write

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.result import Result
    from droppath_audit.selftest.examination import Row, Subject

# In a checkout; an installed package has no golden file and compares with none unless told where.
GOLDEN = Path(__file__).parents[3] / "tests" / "catalogue" / "kill_matrix.txt"
WIDTH = 120


@click.command(cls=Command)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at a time.  [default: one a core]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Root seed.")
@click.option("--only", multiple=True, metavar="NAME", help="Examine only these; * is any text.")
@click.option(
    "--limit",
    type=click.FloatRange(min=1.0),
    default=240.0,
    show_default=True,
    metavar="SECONDS",
    help="Wall time after which one examination is ended.",
)
@click.option("--golden", type=click.Path(dir_okay=False), metavar="FILE", help="The golden file to compare with.")
@click.option("--update", is_flag=True, help="Rewrite the golden file.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), metavar="FILE", help="Write the matrix as JSON.")
def command(
    jobs: int | None,
    seed: int,
    only: tuple[str, ...],
    limit: float,
    golden: str | None,
    update: bool,
    json_file: str | None,
) -> int:
    """Run the whole catalogue against all mutants and sound variants, and print the kill matrix.

    Exit status: 0 every claim is kept, no sound variant raises an alarm, and the matrix is that of the golden file;
    1 otherwise.
    """
    import time

    from droppath_audit.core.errors import UsageError
    from droppath_audit.report.console import console_of
    from droppath_audit.run.processes import cores
    from droppath_audit.selftest.examination import chosen as choose
    from droppath_audit.selftest.examination import subjects
    from droppath_audit.selftest.matrix import GOLDEN_SEED
    from droppath_audit.selftest.terminal import show

    everyone = subjects()
    chosen = choose(everyone, only)
    file = Path(golden) if golden else GOLDEN
    if update and (seed != GOLDEN_SEED or not file.parent.is_dir()):
        raise UsageError(
            f"The golden file is that of seed {GOLDEN_SEED}: --update takes no other --seed."
            if seed != GOLDEN_SEED
            else f"There is no folder {file.parent} for the golden file; --golden FILE says where it is."
        )
    for name in (json_file, str(file) if update else None):
        if name:
            refuse_unwritable(name)
    console = console_of(WIDTH)
    started = time.perf_counter()
    rows = _shown(console, _examined(console, chosen, seed, jobs or cores(), limit), jobs or cores(), limit)
    show(console, rows)
    bad = [row for row in rows if not row.good]
    changed = _compared(console, rows, everyone, file, seed, update=update and not bad)
    if update and bad:
        console.print(f"{file} is left as it was: what is wrong above would be hidden in it.")
    seconds = time.perf_counter() - started
    _summary(console, rows, bad, changed, seconds)
    if failure(sys.stdout):
        click.echo(_conclusion(bad, changed), err=True)
    if json_file:
        data: dict[str, Any] = {"seed": seed, "seconds": seconds, "differences": changed}
        data |= {
            kind: {row.subject.name: row.to_json() for row in rows if row.subject.sound is sound}
            for kind, sound in (("mutants", False), ("sound", True))
        }
        write(json_file, json.dumps(data, indent=1) + "\n")
    return int(bool(bad or changed))


def _examined(console: Console, chosen: list[Subject], seed: int, jobs: int, limit: float) -> list[Row]:
    """Return a row for each subject, in their order."""
    from functools import partial

    from droppath_audit.report.console import progress_on
    from droppath_audit.selftest.examination import Row, examine
    from droppath_audit.selftest.processes import Lost, answers

    rows: dict[str, Row] = {}
    with progress_on(console) as progress:
        task = progress.add_task("examining", total=len(chosen))
        for subject, answer in answers(partial(examine, seed=seed), chosen, workers=jobs, limit=limit):
            lost = isinstance(answer, Lost)
            rows[subject.name] = Row(subject, lost=answer.reason) if isinstance(answer, Lost) else answer
            progress.update(task, description=f"{subject.name}{' lost' if lost else ''}", advance=1)
    return [rows[subject.name] for subject in chosen]


def _shown(console: Console, rows: list[Row], jobs: int, limit: float) -> list[Row]:
    """Return the rows with what became of the scripts of what was found."""
    from dataclasses import replace
    from itertools import islice

    from droppath_audit.report.console import progress_on
    from droppath_audit.selftest.scripts import shown

    waiting = [result for row in rows for result in row.shown]
    done: dict[int, Result] = {}
    with progress_on(console) as progress:
        task = progress.add_task("running scripts", total=len(waiting))
        for number, result in shown(waiting, workers=jobs, limit=limit):
            done[number] = result
            progress.update(task, description=result.trial.id, advance=1)
    results = (done[number] for number in range(len(waiting)))
    return [replace(row, shown=tuple(islice(results, len(row.shown)))) for row in rows]


def _compared(
    console: Console, rows: list[Row], everyone: list[Subject], file: Path, seed: int, *, update: bool
) -> list[str]:
    """Return the differences from the golden file, after printing them; none once it is rewritten."""
    from droppath_audit.selftest.matrix import GOLDEN_SEED, differences, read
    from droppath_audit.selftest.matrix import write as written

    names = {subject.name: subject.sound for subject in everyone}
    before = read(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if update:
        write(str(file), written(rows, before, names=names))
        return []
    if not file.is_file() or seed != GOLDEN_SEED:
        why = f"it is that of seed {GOLDEN_SEED}" if file.is_file() else f"there is no {file}"
        console.print(f"Not compared with a golden file: {why}.")
        return []
    changed = differences(rows, before, names=names)
    for line in changed:
        console.print(f"golden file  {line}", style="bold red", soft_wrap=True)
    if changed:
        console.print("If this is meant: droppath-audit selftest --update, and say why in the commit.")
    return changed


def _summary(console: Console, rows: list[Row], bad: list[Row], changed: list[str], seconds: float) -> None:
    claims = sum(len(row.subject.claims) for row in rows)
    kept = claims - sum(len(row.unkept) for row in rows)
    sound = [row for row in rows if row.subject.sound]
    quiet = sum(row.good for row in sound)
    scripts = sum(len(row.shown) for row in rows)
    shown = scripts - sum(len(row.mute) for row in rows)
    console.print(
        f"\n {len(rows) - len(sound)} mutants · {kept} of {claims} claims kept · {quiet} of {len(sound)} sound "
        f"variants without an alarm · {shown} of {scripts} scripts show it · {len(changed)} differences · "
        f"{seconds:.0f} s, {sum(row.seconds for row in rows):.0f} s of processor time",
        soft_wrap=True,
    )
    status = int(bool(bad or changed))
    console.print(f" {_conclusion(bad, changed)} · exit {status}", style="bold red" if status else "green")


def _conclusion(bad: list[Row], changed: list[str]) -> str:
    if bad or changed:
        return "the suite is not what it says"
    return "every claim is kept, and sound code raises no alarm"
