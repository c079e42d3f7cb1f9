"""Threads and processes that were started and not ended."""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from droppath_audit.frameworks.settings import Change

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

globals()["__builtins__"] = dict(vars(builtins))  # as in ``settings``

GRACE_SECONDS = 0.25  # that a thread or process which is about to end has for it
LOOK_SECONDS = 0.005

THREADS = "threading.active_count()"
CHILDREN = "[int(child) for file in glob.glob('/proc/self/task/*/children') for child in open(file).read().split()]"

_frames, _monotonic, _sleep = sys._current_frames, time.monotonic, time.sleep
# pathlib has builtins of its own, which a target may have replaced.
_listdir = os.listdir
_getpid, _kill, _waitpid = os.getpid, os.kill, os.waitpid
_waitid = getattr(os, "waitid", None)  # not on macOS before Python 3.13


class LeftRunning:
    """What runs beside the calling thread now, and what has come to it since.

    Args:
        own: Folders of a framework, whose own threads and processes (of a compiler, for one) are none of a layer's.
    """

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own, self._process = tuple(own), _getpid()
        self._threads, self._children = frozenset(_frames()), _children()

    def changes(self, *, patiently: bool = True) -> tuple[Change, ...]:
        """Return the threads and processes that are still there, named; a short while is waited for them to end."""
        if _getpid() != self._process:
            return ()
        deadline = _monotonic() + GRACE_SECONDS
        while True:
            threads, children = self._new_threads(), self._new_children()
            if not (threads or children) or not patiently or _monotonic() > deadline:
                break
            _sleep(LOOK_SECONDS)
        thread = [_counted("thread", names) for names in _alike(threads)]
        process = [_counted("process", names) for names in _alike(children.values())]
        return (
            *(Change(f"{text} running", THREADS, ("import threading",)) for text in thread),
            *(Change(f"{text} there", CHILDREN, ("import glob",)) for text in process),
        )

    def end(self) -> None:
        """Kill the processes; nothing ends a thread."""
        for child in self._new_children() if _getpid() == self._process else ():
            with suppress(OSError):
                _kill(child, signal.SIGKILL)
            with suppress(OSError):
                _waitpid(child, 0)

    def _new_threads(self) -> list[str]:
        frames = _frames()
        if frames.keys() <= self._threads:
            return []
        known = {thread.ident: thread.name for thread in threading.enumerate()}
        found = []
        for ident in frames.keys() - self._threads:
            files = _files(frames[ident])
            # The outermost one says whose thread it is, whatever that calls now.
            first = next((file for file in reversed(files) if file != threading.__file__), "")
            if not first.startswith(self._own or ("\0",)):
                found.append(known.get(ident, "without a name"))
        return sorted(found)

    def _new_children(self) -> dict[int, str]:
        now = _children() - self._children
        named = {child: _command(child) for child in now}
        return {child: name for child, name in named.items() if not any(folder in name for folder in self._own)}


def _alike(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items())


def _counted(kind: str, named: tuple[str, int]) -> str:
    """Return so many of a kind as the beginning of a sentence."""
    name, number = named
    many = {"thread": "threads", "process": "processes"}[kind]
    return f"a {kind} ({name}) is still" if number == 1 else f"{number} {many} ({name}) are still"


def _files(frame: FrameType | None) -> list[str]:
    """Return the files of a frame and of those that called it, in that order."""
    found = []
    while frame is not None:
        found.append(frame.f_code.co_filename)
        frame = frame.f_back
    return found


def _children() -> frozenset[int]:
    """Return the children of this process, with those that ended and nobody waited for; 0 where they have no number."""
    if _waitid is None:
        return frozenset()
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:  # none at all: the usual case, for the price of one call
        return frozenset()
    found: set[int] = set()
    for task in _listdir("/proc/self/task"):
        with suppress(OSError), open(f"/proc/self/task/{task}/children", "rb") as file:  # noqa: PTH123 - as above
            found |= {int(child) for child in file.read().split()}  # a thread may have ended meanwhile
    return frozenset(found or {0})


def _command(child: int) -> str:
    """Return the command line of a process; what it is where it has none."""
    try:
        with open(f"/proc/{child}/cmdline", "rb") as file:  # noqa: PTH123 - as above
            text = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        text = ""
    return text or "ended, and nobody waited for it"
