"""Mischief that ends the process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from hostile import hostile


@hostile("the process was killed by SIGSEGV")
def segmentation_fault() -> None:
    """Reads address 0."""
    ctypes.string_at(0)


@hostile("the process was killed by SIGSEGV")
def stack_overflow() -> None:
    """Recurses in C until the stack is full."""
    sys.setrecursionlimit(2**30)
    nested: list[object] = []
    for _ in range(1_000_000):
        nested = [nested]
    repr(nested)


@hostile("the process was killed by SIGABRT")
def abort() -> None:
    """Calls abort(3), as a failed assertion of C does."""
    os.abort()


@hostile("the process ended with exit status 0")
def exit_quietly() -> None:
    """Leaves with status 0, as if all had gone well."""
    os._exit(0)


@hostile("the process ended with exit status 77")
def exit_loudly() -> None:
    """Leaves with a status of its own."""
    os._exit(77)


@hostile("the process was killed by SIGKILL")
def killed() -> None:
    """Is killed, as by a system that is short of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@hostile("the process was killed by SIGKILL")
def kills_its_group() -> None:
    """Kills whatever is in its process group."""
    os.killpg(0, signal.SIGKILL)


@hostile("the process was killed by SIGTERM")
def terminated() -> None:
    """Is told to end, and has no handler."""
    os.kill(os.getpid(), signal.SIGTERM)


@hostile("the process was killed by signal 35")
def killed_by_a_signal_without_a_name() -> None:
    """Is ended by a signal that Python has no name for."""
    os.kill(os.getpid(), signal.SIGRTMIN + 1)


@hostile("the process was killed by SIGALRM")
def alarm() -> None:
    """Sets an alarm that nobody handles, and waits for it."""
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(10)


@hostile("the process ended")
def kills_its_parent() -> None:
    """Kills the process that it was forked from."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(10)


@hostile("the process ended")
def kills_the_parent_of_its_parent() -> None:
    """Kills two generations up."""
    fields = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    os.kill(int(fields[1]), signal.SIGKILL)
    time.sleep(10)


@hostile("the process ended with exit status 1")
def closes_every_descriptor() -> None:
    """Closes what it did not open, as daemons do."""
    os.closerange(3, 4096)
