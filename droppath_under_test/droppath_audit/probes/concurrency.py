"""Running actions in forked processes and in threads, with an end to every wait."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import NoReturn

PATIENCE = 0.05  # seconds that a thread waits for another one to take its turn, which may be waiting for a lock
TIMEOUTS = 20  # after which the threads are left to themselves

_DONE, _RAISED = b"+", b"-"


class Ran(NamedTuple):
    """What an action returned, or in words what came in its way; None and a reason then."""

    value: Any
    problem: str


def in_processes(actions: Sequence[Callable[[], bytes]], seconds: float) -> list[Ran]:
    """Run each action in a fork of this process, all at once, and return what they returned.

    A process that has not answered when the time is up is killed; none is left behind.
    """
    deadline = time.monotonic() + seconds
    children: list[tuple[int, int]] = []
    try:
        for action in actions:
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                # Threads that live elsewhere in this process are no business of the action.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                _answer(action, writer)
            os.close(writer)
            children.append((child, reader))
        return [_received(reader, child, deadline) for child, reader in children]
    finally:
        for child, reader in children:
            os.close(reader)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _answer(action: Callable[[], bytes], writer: int) -> NoReturn:
    """Write what the action returns, or raises, and end this process without any of its parent's farewells."""
    try:
        try:
            data = _DONE + action()
        except BaseException as error:
            data = _RAISED + str(error).encode()
        while data:
            data = data[os.write(writer, data) :]
    finally:
        os._exit(0)


def _received(reader: int, child: int, deadline: float) -> Ran:
    data = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return Ran(None, "a forked process did not answer in time")
        part = os.read(reader, 1 << 16)
        if not part:
            break
        data += part
    if data[:1] == _DONE:
        return Ran(data[1:], "")
    if data[:1] == _RAISED:
        return Ran(None, f"a forked process raised {data[1:].decode(errors='replace')}")
    with suppress(ChildProcessError):
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return Ran(None, f"a forked process was killed by signal {os.WTERMSIG(status)}")
    return Ran(None, "a forked process ended without an answer")


class Turns:
    """Makes threads take turns, a line of Python each, so that what they share is shared at the worst moment.

    Left to the scheduler, threads of small calls meet once in thousands; a fault is then found on some days only.

    Args:
        threads: How many there are.
        skipped: Beginnings of the names of modules whose lines do not count.
    """

    def __init__(self, threads: int, skipped: tuple[str, ...]) -> None:
        self._condition = threading.Condition()
        self._alive = set(range(threads))
        self._turn = 0
        self._timeouts = 0
        self._skipped = skipped
        self._own = threading.local()

    def enter(self, thread: int) -> None:
        """Begin tracing the calling thread."""
        self._own.thread = thread
        sys.settrace(self._calls)

    def leave(self) -> None:
        """End tracing it, and its turns."""
        sys.settrace(None)
        with self._condition:
            self._alive.discard(self._own.thread)
            self._turn = min(self._alive, default=0)
            self._condition.notify_all()

    def _calls(self, frame: FrameType, event: str, argument: object) -> Any:
        return None if str(frame.f_globals.get("__name__", "")).startswith(self._skipped) else self._lines

    def _lines(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and self._timeouts < TIMEOUTS:
            me = self._own.thread
            with self._condition:
                others = sorted(self._alive - {me})
                if others:
                    self._turn = next((other for other in others if other > me), others[0])
                    self._condition.notify_all()
                    if not self._condition.wait_for(lambda: self._turn == me, PATIENCE):
                        self._timeouts += 1
                        self._turn = me
        return self._lines


def in_threads(actions: Sequence[Callable[[], Any]], seconds: float, skipped: tuple[str, ...]) -> list[Ran]:
    """Run each action in a thread, taking turns line by line, and return what they returned.

    A thread that has not ended when the time is up is left behind as a daemon, which nothing waits for.

    Raises:
        NotApplicable: If an action raises it.
    """
    turns = Turns(len(actions), skipped)
    results = [Ran(None, "a thread did not end in time")] * len(actions)
    asked_too_much: list[NotApplicable] = []

    def run(thread: int) -> None:
        turns.enter(thread)
        try:
            result = Ran(actions[thread](), "")
        except NotApplicable as error:
            result = Ran(None, str(error))
            asked_too_much.append(error)
        except BaseException as error:
            result = Ran(None, f"a thread raised {error}")
        finally:
            turns.leave()
        results[thread] = result

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(actions))]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if asked_too_much:
        raise asked_too_much[0]
    return list(results)
