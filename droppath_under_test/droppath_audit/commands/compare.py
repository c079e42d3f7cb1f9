"""``droppath-audit compare OLD NEW``: what was fixed, what is new and what has changed between two JSON reports."""

from __future__ import annotations

import click

from droppath_audit.commands import Command


@click.command(cls=Command)
@click.argument("old", type=click.Path(dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
def command(old: str, new: str) -> int:
    """Compare two JSON reports, OLD and NEW: target by target, check by check.

    Not by trials, whose configurations change with seed and version. Exit status: 0 no finding is new, 1 one is, 2
    they cannot be compared.
    """
    from droppath_audit.core.report import FINDING, HOLDS
    from droppath_audit.core.visible import visible
    from droppath_audit.report.comparing import Kind, compared
    from droppath_audit.report.reading import read_document

    found = compared(read_document(old), read_document(new))
    for one in found:
        click.echo(visible(f"{one.kind.value:<8} {one.target}  {one.what}"))
    if not found:
        click.echo("Nothing differs.")
    return FINDING if any(one.kind is Kind.NEW and one.finding for one in found) else HOLDS
