"""What ranks hand over arrives, and nobody waits for one that is gone."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.ranks import exchange as module
from droppath_audit.ranks.exchange import Exchange, RankLost
from droppath_audit.ranks.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def looks_until_lost(exchange: Exchange, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            exchange.look()
        except RankLost as error:
            return error.message
        time.sleep(0.02)
    return ""


def test_what_one_leaves_another_finds(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, other = exchanges()
    assert other.find("key") is None
    lead.put("key", {"a": [1, 2.5, None]})
    assert other.find("key") == {"a": [1, 2.5, None]}
    lead.begin("next")
    assert lead.find("key") is None  # a piece of work has keys of its own


def test_no_number_of_a_counter_is_given_out_twice(exchanges: Callable[..., list[Exchange]]) -> None:
    ranks = exchanges(3)
    taken: list[int] = []

    def take(exchange: Exchange) -> None:
        for _ in range(50):
            first = exchange.take("counter", 3)
            taken.extend(range(first, first + 3))

    threads = [threading.Thread(target=take, args=(one,)) for one in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(450))


def test_one_that_lives_is_not_missed_and_one_that_stops_is(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, other = exchanges(patience=1.0)
    assert looks_until_lost(lead, 2.5) == ""
    assert looks_until_lost(other, 0.5) == ""
    other.silence()
    started = time.monotonic()
    assert "rank 1 of 2 gave no sign of life" in looks_until_lost(lead, 10.0)
    assert time.monotonic() - started >= 0.9
    lead.silence()
    assert "rank 0 of 2 gave no sign of life" in looks_until_lost_alone(other)


def looks_until_lost_alone(exchange: Exchange) -> str:
    """Look with a clock that goes on, which an exchange that was silenced has no more."""
    for _ in range(40):
        exchange.tick()
        try:
            exchange.look()
        except RankLost as error:
            return error.message
    return ""


def test_one_that_left_is_not_missed_and_one_that_failed_is_named(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, left, failed = exchanges(3, patience=0.5)
    left.leave()
    left.silence()
    assert looks_until_lost(lead, 1.5) == ""
    failed.fail("it has no such device")
    assert looks_until_lost(lead, 1.5) == "rank 2 failed: it has no such device"


def test_the_last_to_leave_is_rank_0(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, other = exchanges()
    waiting = threading.Thread(target=lead.leave)
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    assert other.ended
    other.leave()
    waiting.join(5.0)
    assert not waiting.is_alive()


def test_a_wait_ends_with_the_work_or_with_the_rank_that_is_waited_for(
    exchanges: Callable[..., list[Exchange]],
) -> None:
    lead, other = exchanges(patience=0.5)
    lead.put("there", 1)
    assert other.await_value("there") == 1
    lead.end()
    assert other.await_value("never") is None
    other.begin("next")
    lead.silence()
    with pytest.raises(RankLost, match="rank 0"):
        other.await_value("never")


def test_an_operation_that_does_not_end_is_given_up(exchanges: Callable[..., list[Exchange]]) -> None:
    lead, _ = exchanges(patience=0.5)
    release = threading.Event()
    started = time.monotonic()
    with pytest.raises(RankLost, match="does not answer"):
        lead._ask(release.wait)
    assert time.monotonic() - started < 5.0
    with pytest.raises(RankLost, match="does not answer"):
        lead.find("key")
    release.set()


def test_a_store_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTING", 1.0)
    with socket.socket() as free:
        free.bind(("localhost", 0))  # and does not listen
        alone = Exchange(World(1, 2, 0, 1, "localhost", free.getsockname()[1]))
        with pytest.raises(UsageError, match="Rank 1 cannot reach the store of"):
            alone.put("key", 1)
        alone.close()
