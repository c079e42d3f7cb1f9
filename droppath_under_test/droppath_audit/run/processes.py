"""Processes of the system, seen from outside: what a tree of them uses, and ending it.

Read from ``/proc``; elsewhere than on Linux nothing is known of a tree, and what is asked for is None or empty.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PROC = Path("/proc")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)


class Usage(NamedTuple):
    """What a process and its descendants use.

    Attributes:
        seconds: Processor time, that of ended children included.
        resident: Bytes of memory in use; pages that several of the processes share count for each.
    """

    seconds: float
    resident: int


def cores(*, most: int = 2**16) -> int:
    """Return how many processors this process may use, at most so many."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, most)


def usage(process: int, *, tree: bool = True) -> Usage | None:
    """Return what a process uses, with its descendants unless ``tree`` is false; None where the system does not say."""
    if not PROC.is_dir():
        return None
    below = descendants(process) if tree and not _childless(process) else ()
    found = [one for pid in (process, *below) if (one := _usage_of(pid)) is not None]
    return Usage(sum(one.seconds for one in found), sum(one.resident for one in found))


def memory(process: int) -> int:
    """Return the bytes of memory that a process and its descendants use; shared pages are shared out among their users.

    Dearer than ``usage``, since the kernel walks over every page: ask it where that one shows too much.
    """
    total = 0
    for pid in (process, *descendants(process)):
        with contextlib.suppress(OSError, ValueError):
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def descendants(process: int) -> list[int]:
    """Return the children of a process, theirs, and so on; those first that were started first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir(PROC) if PROC.is_dir() else ():  # noqa: PTH208 - a tenth of its price
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError):
                parent = int(_stat(int(name))[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = [], [process]
    while waiting:
        born = sorted(children.get(waiting.pop(0), ()))
        found += born
        waiting += born
    return found


def marked(mark: str) -> list[int]:
    """Return the processes, other than this one, in whose first environment a text stands."""
    found = []
    for environment in PROC.glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, ValueError):
            if int(environment.parent.name) != os.getpid() and mark.encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


def kill(*processes: int) -> None:
    """Send SIGKILL to processes; those that are gone, or somebody else's, are passed over."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def kill_tree(process: int) -> None:
    """Send SIGKILL to a process and its descendants."""
    kill(process, *descendants(process))


def await_end(process: subprocess.Popen[Any], seconds: float) -> None:
    """Wait until a process has ended; after so many seconds end it, with its descendants."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait()


def told_end(code: int) -> str:
    """Return in words how a process ended.

    Args:
        code: Its exit status, or minus the number of the signal that ended it.
    """
    if code >= 0:
        return f"the process ended with exit status {code}"
    try:
        return f"the process was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"the process was killed by signal {-code}"


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, on Linux."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Let the kernel end this process when its parent ends, on Linux."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _childless(process: int) -> bool:
    """Return whether a process is known to have no children: a hundredth of the price of a look at all processes."""
    try:
        for task in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - as above
            with open(f"/proc/{process}/task/{task}/children", "rb") as file:  # noqa: PTH123 - as above
                if file.read():
                    return False
    except OSError:  # it has ended, or the kernel does not say
        return False
    return True


def _stat(process: int) -> list[bytes]:
    """Return the fields of proc(5) after the name, which may hold blanks: state, parent, and so on."""
    with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123 - as above
        return file.read().rpartition(b")")[2].split()


def _usage_of(process: int) -> Usage | None:
    try:
        fields = _stat(process)
        with open(f"/proc/{process}/statm", "rb") as file:  # noqa: PTH123 - as above
            resident = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), resident * os.sysconf("SC_PAGE_SIZE"))
