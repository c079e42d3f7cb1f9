"""Memory that grows with calls: measured over longer and longer runs, so that a cache that fills up is none."""

from __future__ import annotations

import ctypes
import gc
import os
import time
import tracemalloc
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.theirs import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST, LAST = 128, 8192
"""Calls of the first run and of the last one; each has twice as many as the one before."""

RUNS = 3  # one after the other in which something has to grow: frameworks themselves keep a little now and then

STEADY = 0.6
"""Of what a call added in the run before, what it adds at least: what a run adds whatever its length is no growth."""

PYTHON, NATIVE, DEVICE, FILES = "Python's memory", "the C library's memory", "the device's memory", "open files"
LEAST = {PYTHON: (1024.0, 2.0), NATIVE: (8192.0, 16.0), DEVICE: (8192.0, 16.0), FILES: (0.0, 1 / 64)}
"""By what grows, how much a run must add to count as growth: something, and something for every call."""


class Mallinfo(ctypes.Structure):
    """What the C library says of its memory, in bytes."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


@dataclass(frozen=True)
class Growth:
    """Something that grew in every run.

    Attributes:
        what: What of.
        each: How much a call added in the last run: bytes, or files.
        calls: Calls in all.
        where: File and line of the code that holds the most of it; empty where that is not known.
    """

    what: str
    each: float
    calls: int
    where: str = ""


@contextmanager
def traced() -> Iterator[None]:
    """Trace Python's memory inside; what is there already is not looked at for garbage, which would take seconds."""
    tracing, frozen = tracemalloc.is_tracing(), gc.get_freeze_count() > 0
    if not tracing:
        tracemalloc.start()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        if not tracing:
            tracemalloc.stop()


def growth_of(
    run: Callable[[int], None], allocated: Callable[[], int], least_calls: int, seconds: float
) -> tuple[tuple[Growth, ...], int]:
    """Return what grows with calls, and how many calls were made to see it.

    Where nothing does, those are the calls up to the last run that had to be: whether others followed is chance.
    Memory must be ``traced``.

    Args:
        run: Makes so many calls, all alike.
        allocated: What a device's allocator has given away, in bytes.
        least_calls: Calls of the last run at least; further ones follow only as long as something grows.
        seconds: After which no further run follows.
    """
    deadline = time.monotonic() + seconds
    run(FIRST // 2)  # what is prepared in the first calls is no growth
    calls, made, before, streaks, enough = FIRST, FIRST // 2, None, dict[str, int](), 0
    rates = dict[str, float]()
    used = _used(allocated)
    while True:
        run(calls)
        made += calls
        enough = enough or (made if calls >= least_calls else 0)
        now = _used(allocated)
        added = {what: by / calls for what in now if _grew(by := now[what] - used[what], what, calls)}
        steady = {what for what, each in added.items() if each >= STEADY * rates.get(what, 0.0)}
        streaks = {what: (streaks.get(what, 0) if what in steady else 0) + 1 for what in added}
        rates = added
        growing = [what for what in streaks if streaks[what] >= RUNS]
        late = time.monotonic() > deadline
        if (calls >= least_calls and not streaks) or calls >= LAST or late:
            break
        if growing and before is None and calls >= least_calls:
            before = tracemalloc.take_snapshot()  # after which the longest runs are still to come
        calls, used = 2 * calls, now
    if late and calls < LAST // 8:
        growing = []  # too few calls to tell from a cache that fills up
    where = _where(before) if before is not None and PYTHON in growing else ""
    grown = [Growth(what, (now[what] - used[what]) / calls, made, where if what == PYTHON else "") for what in growing]
    return tuple(grown), made if grown else enough or made


def _grew(by: int, what: str, calls: int) -> bool:
    some, for_each = LEAST[what]
    return by > some + for_each * calls


def _used(allocated: Callable[[], int]) -> dict[str, int]:
    gc.collect()
    used = {PYTHON: tracemalloc.get_traced_memory()[0], DEVICE: allocated()}
    mallinfo = _mallinfo()
    if mallinfo is not None:
        found = mallinfo()
        used[NATIVE] = found.uordblks + found.hblkhd
    with suppress(OSError):
        used[FILES] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names alone
    return used


@cache
def _mallinfo() -> Callable[[], Any] | None:
    """Return what asks the C library for its memory; None where it does not answer (musl, macOS)."""
    try:
        function = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError, TypeError):
        return None
    function.restype = Mallinfo
    return function


def _where(before: tracemalloc.Snapshot) -> str:
    """Return the file and line of the target's, or of a library's, that have allocated most since."""
    statistics = tracemalloc.take_snapshot().compare_to(before, "lineno")
    for one in statistics:
        frame = one.traceback[0]
        if one.size_diff > 0 and not is_ours(frame.filename) and frame.filename != tracemalloc.__file__:
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return ""
