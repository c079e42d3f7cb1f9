"""``droppath-audit list``: the checks."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """List every check with its level and its promise."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from droppath_audit.checks import catalogue

    table = Table.grid(padding=(0, 2))
    for check in catalogue().values():
        table.add_row(check.id, check.slug, str(check.level), Text(check.documentation.promise))
    Console(highlight=False).print(table)
