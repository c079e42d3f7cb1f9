"""Joining: how a command line becomes one rank among others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from droppath_audit.core import quantities
from droppath_audit.ranks.exchange import PATIENCE, Exchange
from droppath_audit.ranks.world import take_own_device, world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any] | click.Command")

rank_timeout_option: Callable[[F], F] = click.option(
    "--rank-timeout",
    metavar="TIME",
    help=f"Under torchrun, end without a rank that gave no sign of life for so long.  [default: {PATIENCE:g}s]",
)


def joined(devices: Sequence[str], options: dict[str, Any]) -> Exchange | None:
    """Return the exchange with the other ranks; None where a launcher started no others.

    Args:
        devices: Asked for; where one is ``cuda`` without a number, it is another one for each rank on a machine.
        options: ``rank_timeout``, as the command line gave it.

    Raises:
        UsageError: If the launcher's variables or the option cannot be understood.
    """
    given = options.get("rank_timeout")
    patience = PATIENCE if given is None else quantities.seconds(given, "--rank-timeout")
    here = world()
    if here is None:
        return None
    take_own_device(devices, here, os.environ)
    return Exchange(here, patience)
