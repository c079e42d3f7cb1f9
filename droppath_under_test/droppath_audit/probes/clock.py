"""The time that a trial has, looked at between calls by whatever draws."""

from __future__ import annotations

import time

SHARE = 0.5  # of what is left, that one of several questions may take
LOOK = 0.005  # seconds between two questions for the processor's time, which take as long as a short call
IDLE = 3.0  # seconds without the processor that count as one: a busy machine makes no target slow, sleeping does


class Stopwatch:
    """Seconds since it was made: the processor's in this thread, or a third of those that passed, whichever are more.

    The whole process's would be dearer than a short call.
    """

    def __init__(self) -> None:
        self._processor, self._passed = time.thread_time(), time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds."""
        return max(time.thread_time() - self._processor, (time.monotonic() - self._passed) / IDLE)


class Clock:
    """What is left of a trial's time, which runs from the beginning of the trial.

    Args:
        seconds: The time.

    Attributes:
        stopped: Whether anything was cut short; what was measured then differs from one run to the next.
    """

    def __init__(self, seconds: float) -> None:
        self._watch, self._seconds = Stopwatch(), seconds
        self.stopped = False

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self._seconds - self._watch.seconds)

    def part(self, share: float = SHARE) -> Turn:
        """Return the part of what is left that a question may take which begins now."""
        return Turn(self, share * self.left)


class Turn:
    """The time of one question."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._watch, self._seconds = clock, Stopwatch(), seconds
        self._next = 0.0

    def over(self) -> bool:
        """Return whether it is up, which stops the question and is noted."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOOK
        if self._watch.seconds <= self._seconds:
            return False
        self._clock.stopped = True
        return True
