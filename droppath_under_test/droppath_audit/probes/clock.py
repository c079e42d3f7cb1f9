"""The time that a trial has, looked at between calls by whatever draws."""

from __future__ import annotations

import time

SHARE = 0.5  # of what is left, that one of several questions may take


class Clock:
    """What is left of a trial's time, which runs from the beginning of the trial.

    Args:
        seconds: The time.

    Attributes:
        stopped: Whether anything was cut short; what was measured then differs from one run to the next.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.stopped = False

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self._end - time.monotonic())

    def part(self, share: float = SHARE) -> Turn:
        """Return the part of what is left that a question may take which begins now."""
        return Turn(self, time.monotonic() + share * self.left)


class Turn:
    """The time of one question."""

    def __init__(self, clock: Clock, end: float) -> None:
        self._clock, self._end = clock, end

    def over(self) -> bool:
        """Return whether it is up, which stops the question and is noted."""
        if time.monotonic() <= self._end:
            return False
        self._clock.stopped = True
        return True
