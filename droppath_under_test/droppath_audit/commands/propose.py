"""``droppath-audit propose SPEC``: write the factory that says in Python what a SPEC cannot say."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from droppath_audit.commands import Command

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

    The target is imported in this process, and not called. Exit status 0, or 2 where it cannot be imported.
    """
    from droppath_audit.core.errors import UsageError
    from droppath_audit.targets.loader import proposed

    if not spec:
        raise UsageError("Name what to write a factory for: package.module:Name or path/to/file.py:Name.")
    if output is not None and Path(output).exists():
        raise UsageError(f"There is a file {output} already; name another.")
    proposal = proposed(spec, imports)
    file = output or "audit_me.py"
    run = f"droppath-audit {shlex.quote(f'{file}:make?' + '&'.join(proposal.items))}"
    text = proposal.text
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
    done = "It runs as it is" if proposal.complete else "Fill in the marked lines"
    click.echo(f"{done}: {run}", err=True)
    return 0
