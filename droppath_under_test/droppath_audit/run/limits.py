"""Limits: how long a trial may take and how much memory a worker may use, kept from outside the worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.collected import HUNG, OVERSIZED
from droppath_audit.core.effort import COMPILING_SECONDS
from droppath_audit.core.quantities import told
from droppath_audit.run import processes

if TYPE_CHECKING:
    from droppath_audit.core.trial import Trial

TRIAL_SECONDS = 30.0
MEMORY = 4 * 2**30
SECONDS_PER_NUMBER = 2e-6  # of a recording: tens of times what looking at one takes
BEAT_SECONDS = 0.1  # between two looks at what the processes use
LONGEST_BEAT = 0.25  # seconds that one look at the clock counts at most: a stopped supervisor has not waited
BEATS = 3  # limits of waiting: a deadlock uses no processor time
YOUNG = 0.5  # seconds of waiting before which a process is looked at alone, and not its descendants


@dataclass(frozen=True)
class Limits:
    """What a trial and a worker may use.

    Attributes:
        trial_seconds: Processor seconds of a trial; twice what the effort lets it sample where that is more, if None.
        memory: Bytes of a worker with all that it has started.
    """

    trial_seconds: float | None = None
    memory: int = MEMORY

    def of(self, trial: Trial) -> float:
        """Return the processor seconds after which a trial counts as hanging."""
        if self.trial_seconds is not None:
            return self.trial_seconds
        looking = SECONDS_PER_NUMBER * sum(block.calls * prod(block.shape) for block in trial.case.blocks)
        return max(TRIAL_SECONDS, 2 * trial.case.effort.seconds) + looking

    def sampling(self, trial: Trial) -> float:
        """Return the seconds that a trial may sample: half of what it may take, or what the effort says."""
        return min(trial.case.effort.seconds, self.of(trial) / 2)


class Watch:
    """Watches one process at one task.

    Time is counted in two ways: processor time of the process and its descendants, and the watcher's own heartbeats,
    each for at most a quarter of a second. So a machine that is busy, or was asleep, makes nobody late.

    Args:
        limit: Processor seconds.
        memory: Bytes.
        process: The process; 0 while it is not known.
    """

    def __init__(self, limit: float, memory: int, process: int = 0) -> None:
        self._limit, self._memory, self._compiles = limit, memory, False
        self._waited, self._beat = 0.0, time.monotonic()
        self.begin(process)

    @property
    def limit(self) -> float:
        """Processor seconds of the task."""
        return self._limit + (COMPILING_SECONDS if self._compiles else 0.0)

    def begin(self, process: int) -> None:
        """Count from here on what this process uses."""
        self._process, self._waited = process, 0.0
        used = processes.usage(process, tree=False) if process else None
        self._before = used.seconds if used is not None else 0.0

    def grant_compiling(self) -> None:
        """Give the task the time that a compiler takes; once."""
        self._compiles = True

    def verdict(self) -> tuple[str, str]:
        """Beat once, and return how the task is to be ended and why; two empty texts if it is not."""
        now = time.monotonic()
        self._waited += min(now - self._beat, LONGEST_BEAT)
        self._beat = now
        if self._waited > BEATS * self.limit:
            return HUNG, f"no answer within {BEATS * self.limit:g} seconds"
        used = processes.usage(self._process, tree=self._waited > YOUNG) if self._process else None
        if used is None:
            return "", ""
        if used.resident > self._memory and processes.memory(self._process) > self._memory:
            return OVERSIZED, f"it used more than {told(self._memory)} of memory"
        if self._waited > YOUNG and used.seconds - self._before > self.limit:
            return HUNG, f"no answer within {self.limit:g} seconds of processor time"
        return "", ""
