"""``droppath-audit propose SPEC``: write the factory that says in Python what a SPEC cannot say."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from droppath_audit.commands import Command
from droppath_audit.core.errors import Unimportable, UsageError

if TYPE_CHECKING:
    from droppath_audit.targets.proposing import Proposal

EXAMPLES = """\b
Examples:
  droppath-audit propose blocks.py:Block._drop_path
  droppath-audit propose layers.py:ScaledDropPath -o audit_me.py
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("spec", default="")
@click.option("-o", "--output", metavar="FILE", help="Write it there, and never over a file that is there.")
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="Import this module before the target.")
@click.option("-v", "--verbose", is_flag=True, help="Show where an import failed.")
def command(spec: str, output: str | None, imports: tuple[str, ...], **_: bool) -> int:
    """Write a factory for a target that a SPEC cannot say, with a mark where a value is to be filled in.

    The target is imported in this process. The factory is called in another, to see whether it runs. Where the file of
    the target cannot be imported, the definition is written with what it needs of that file. Exit status 0, or 2 where
    neither is possible.
    """
    from droppath_audit.targets.loader import proposed

    if not spec:
        raise UsageError("Name what to write a factory for: package.module:Name or path/to/file.py:Name.")
    if output is not None and Path(output).exists():
        raise UsageError(f"There is a file {output} already; name another.")
    file = output or "audit_me.py"
    try:
        proposal = proposed(spec, imports, runs=lambda layer: not _refused(layer, imports))
        text, of = proposal.text, f"{file}:make?" + "&".join(proposal.items)
        done = "Fill in the marked lines" if not proposal.complete else _tried(proposal, imports)
        skipped = "".join(f" --skip {shlex.quote(pattern)}" for pattern in proposal.skipped)
    except Unimportable as error:
        text, items = _lifted(spec, error)
        of, skipped, done = f"{file}:{items}", "", "It is lifted out of its file, which cannot be imported"
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
    click.echo(f"{done}: droppath-audit {shlex.quote(of)}{skipped}", err=True)
    return 0


def _tried(proposal: Proposal, imports: tuple[str, ...]) -> str:
    """Return whether a factory runs as it is."""
    from droppath_audit.targets.proposing import GUESSED, RUNS

    if GUESSED in proposal.text:
        return f"It runs with values that are {GUESSED.lower()}, each marked"
    why = _refused(proposal, imports)
    return f"It does not run yet ({why}); mend it, then" if why else RUNS


def _refused(proposal: Proposal, imports: tuple[str, ...]) -> str:
    """Return why a factory is not audited; a worker loads it and makes its first calls."""
    from droppath_audit.run.supervisor import Supervisor

    with tempfile.TemporaryDirectory(prefix="droppath-audit-proposed-") as folder:
        file = Path(folder) / "audit_me.py"
        file.write_text(proposal.text, encoding="utf-8")
        try:
            with Supervisor(f"{file}:make?{'&'.join(proposal.items)}", imports=imports) as supervisor:
                _ = supervisor.facts
        except UsageError as error:
            return error.message.partition("\n")[0].replace(f"{file}:", "").rstrip(".")
    return ""


def _lifted(spec: str, error: Unimportable) -> tuple[str, str]:
    """Return the source of a target apart from its file, and its name with the items of the SPEC.

    Raises:
        UsageError: If it needs more than its file has.
    """
    from droppath_audit.scanning.apart import lifted_out
    from droppath_audit.scanning.lifting import NotLiftable

    try:
        piece = lifted_out(spec)
    except NotLiftable as why:
        raise UsageError(f"{error.message} It was not lifted out of its file, because {why}.", error.detail) from error
    if piece is None:
        raise error
    return piece.text, spec.rpartition(".py:")[2]
