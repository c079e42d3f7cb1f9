"""``droppath-audit explain DP301``: what a check checks, why it matters and how to fix what it finds."""

from __future__ import annotations

import click

from droppath_audit.commands import Command


@click.command(cls=Command)
@click.argument("check", metavar="CHECK")
def command(check: str) -> None:
    """Explain a check, named by its id or in words: DP301 or keep-prob-zero."""
    from droppath_audit.checks import catalogue
    from droppath_audit.core.errors import UsageError, nearest

    known = catalogue()
    names = {name: found for found in known.values() for name in (found.id, found.slug)}
    by_name = {name.lower(): found for name, found in names.items()}
    if check.lower() not in by_name:
        raise UsageError(f"There is no check {check!r}; 'droppath-audit list' shows all." + nearest(check, names))
    found = by_name[check.lower()]
    click.echo(f"{found.documentation.text}\nLevel\n    {found.level}, in {found.family}.")
