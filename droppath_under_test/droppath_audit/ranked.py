"""Ranked: what the fronts do where a launcher started several processes of one command line."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.core.errors import UsageError
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.report import HOLDS, SIGNALLED, UNUSABLE, gravest
from droppath_audit.core.visible import visible
from droppath_audit.instead import or_instead
from droppath_audit.ranks.exchange import RankLost
from droppath_audit.ranks.joining import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from droppath_audit.core.collected import Collector
    from droppath_audit.instead import Instead
    from droppath_audit.ranks.exchange import Exchange


def shared_out(
    targets: Iterable[str],
    options: dict[str, Any],
    lead: Callable[[], int],
    collector_for: Callable[[ExitStack, str, dict[str, Any]], Collector],
) -> int:
    """Audit alone or as one rank of several, and return the exit status.

    Args:
        targets: SPECs.
        options: Of the command line; ``exchange`` is set, to None where this process is alone.
        lead: Audits, as one process does and as rank 0 does.
        collector_for: Returns what collects on a target.
    """
    exchange = options["exchange"] = joined(options["devices"], options)
    if exchange is None:
        return lead()
    with exchange:
        status = lead() if exchange.here.leads else _follow(exchange, targets, options, collector_for)
        if not options["interruption"].told:
            try:
                exchange.leave()
            except RankLost as error:
                click.echo(f"droppath-audit: {visible(error.message)}", err=True)
                status = gravest([status, UNUSABLE])
        return status


def in_turn(targets: Iterable[str], exchange: Exchange | None) -> Iterator[str]:
    """Yield SPECs; other ranks are told when one begins and ends."""
    for number, spec in enumerate(targets):
        if exchange is not None:
            exchange.begin(str(number))
        yield spec
        if exchange is not None and exchange.here.leads:
            exchange.end()


def _follow(
    exchange: Exchange,
    targets: Iterable[str],
    options: dict[str, Any],
    collector_for: Callable[[ExitStack, str, dict[str, Any]], Collector],
) -> int:
    """Run trials of rank 0's audits, print nothing, and return the exit status."""
    from droppath_audit.run.sharing import follow

    interruption = options["interruption"] = Interruption()

    def one(it: Instead) -> None:
        with ExitStack() as stack:
            follow(exchange, collector_for(stack, it.spec, options), interruption)

    with interruption.listening(at_once=options["no_isolation"]):
        for spec in () if options["plan"] else in_turn(targets, exchange):
            try:
                or_instead(spec, one, options)
            except RankLost:
                raise
            except UsageError as error:
                exchange.fail(error.message)
            if interruption.signal:
                return SIGNALLED + interruption.signal
    return HOLDS
