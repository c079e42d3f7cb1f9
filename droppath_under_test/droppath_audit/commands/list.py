"""``droppath-audit list``: the checks; with ``--known`` the implementations that can be audited by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from droppath_audit.commands import Command

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.known import Known


@click.command(cls=Command)
@click.option("--known", is_flag=True, help="List the implementations that can be audited by name.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def command(known: bool, names: tuple[str, ...]) -> None:
    """List every check with its level and its promise, or the known implementations."""
    from rich.table import Table
    from rich.text import Text

    from droppath_audit.checks import everything
    from droppath_audit.report.console import console_of, foldable

    console = console_of(0)
    if known or names:
        for system in _chosen(names):
            _show(console, system)
        return
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in everything().values():
        table.add_row(check.id, check.slug, str(check.level), Text(check.documentation.promise))
    console.print(foldable(table, console.width))


def _chosen(names: tuple[str, ...]) -> list[Known]:
    from droppath_audit.core.errors import UsageError, nearest
    from droppath_audit.targets.known import known_systems

    systems = known_systems()
    for name in names:
        if name not in systems:
            raise UsageError(f"There is no known implementation {name!r}." + nearest(name, systems))
    return [systems[name] for name in names or systems]


def _show(console: Console, system: Known) -> None:
    """Print one implementation: SPEC, dialect, how to install it, what to expect and why."""
    from rich.table import Table
    from rich.text import Text

    from droppath_audit.checks import catalogue
    from droppath_audit.core.level import Level

    levels = {check.id: check.level for check in catalogue().values()}
    findings = [broken for broken in system.broken if levels[broken.check] is Level.MUST]
    rows = [("audits", system.spec), ("dialect", system.dialect.describe())]
    rows += [("install" if number == 0 else "", text) for number, text in enumerate(system.install)]
    rows.append(("expect", "exit 1" if findings else "exit 0: every MUST holds"))
    for broken in system.broken:
        where = f" in {', '.join(broken.dtypes.split())}" if broken.dtypes else ""
        level = "" if levels[broken.check] is Level.MUST else f" ({levels[broken.check]})"
        rows.append(("", f"{broken.check}{level}{where}: {broken.why}"))
    rows += [("either", f"{trial}: {why}") for trial, why in system.either.items()]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(f"  {name}", Text(text))
    console.print(Text.assemble((system.name, "bold"), f"    {system.title}"))
    console.print(table)
    console.print()
