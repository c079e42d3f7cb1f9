"""World: which rank this process is, of how many, as ``torchrun`` says by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class World:
    """One rank among others.

    Attributes:
        rank: From 0 to ``size`` - 1; rank 0 plans, judges and reports.
        size: How many ranks there are, at least 2.
        local_rank: Its number on its machine.
        local_size: How many ranks are on its machine.
        address: Host of the store.
        port: Port of the store.
        run: What sets the keys of this run, and of this attempt at it, apart from those of others.
        served: Whether the launcher serves the store; rank 0 does otherwise.
    """

    rank: int
    size: int
    local_rank: int = 0
    local_size: int = 1
    address: str = ""
    port: int = 0
    run: str = ""
    served: bool = False

    @property
    def leads(self) -> bool:
        """Whether this rank plans, judges and reports."""
        return self.rank == 0


def world(environment: Mapping[str, str] | None = None) -> World | None:
    """Return this process's place among ranks; None where it was not launched as one of several.

    Args:
        environment: That of the process by default.

    Raises:
        UsageError: If a variable of the launcher is no number, or the rank is none of the world's.
    """
    said = os.environ if environment is None else environment
    if not all(name in said for name in NEEDED):
        return None
    rank, size, port = (_number(said, name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if size == 1:
        return None
    if rank >= size:
        raise UsageError(f"RANK={rank} is no rank of WORLD_SIZE={size}.")
    local_size = _number(said, "LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in said else 1
    return World(
        rank,
        size,
        local_rank=_number(said, "LOCAL_RANK") if "LOCAL_RANK" in said else 0,
        local_size=max(1, local_size),
        address=said["MASTER_ADDR"],
        port=port,
        run=f"{said.get('TORCHELASTIC_RUN_ID', '')}/{said.get('TORCHELASTIC_RESTART_COUNT', '0')}",
        served=said.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
    )


def take_own_device(devices: Sequence[str], here: World, environment: MutableMapping[str, str]) -> None:
    """Leave of the machine's accelerators the one of this rank visible, so that ``cuda`` is another on each.

    Args:
        devices: Asked for; where one is ``cuda`` without a number, a rank has the one of its local number.
        here: This rank.
        environment: Of this process, which its workers inherit; changed.

    Raises:
        UsageError: If fewer are visible than there are ranks on this machine.
    """
    if "cuda" not in devices:
        return
    visible = [name for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    if not visible:
        environment[VISIBLE] = str(here.local_rank)
    elif here.local_rank < len(visible):
        environment[VISIBLE] = visible[here.local_rank]
    else:
        raise UsageError(
            f"{VISIBLE}={environment[VISIBLE]} leaves {len(visible)} for {here.local_size} ranks on this machine."
        )


def _number(said: Mapping[str, str], name: str) -> int:
    if not said[name].isdecimal():
        raise UsageError(f"{name}={said[name]!r} is not the whole number that a launcher gives it.")
    return int(said[name])
