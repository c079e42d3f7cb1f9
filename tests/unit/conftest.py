from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from droppath_audit.ranks.exchange import Exchange
from droppath_audit.ranks.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def exchanges() -> Iterator[Callable[..., list[Exchange]]]:
    """Return what connects so many ranks in this process, rank 0 serving the store."""
    made: list[Exchange] = []

    def connect(size: int = 2, patience: float = 1.0) -> list[Exchange]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        made.extend(Exchange(World(rank, size, 0, 1, "localhost", port), patience) for rank in range(size))
        for exchange in made:
            exchange.take("connected")
        return made

    yield connect
    for exchange in made:
        exchange.close()
