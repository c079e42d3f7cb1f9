"""How long an audit may sample in all, and what of that is left for one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.trial import Trial

TRIALS = 20  # that may use up their effort's time before an audit has sampled for long
PART = 16  # of what is left, one trial has one such part
LEAST = 30  # of its effort's time, a trial always has one such part


class Allowance:
    """The seconds that the trials of an audit may sample.

    A trial has the time that its effort gives until the audit has sampled for long: only a target of which every call
    is slow gets there. Then it has a part of what is left, so that what comes last has some as well, and in the end a
    little each: 20 times the effort's time in all, and a thirtieth of it for each trial beyond.

    Args:
        total_seconds: What there is.
    """

    def __init__(self, total_seconds: float) -> None:
        self._left = total_seconds

    @classmethod
    def of(cls, effort: Effort) -> Allowance:
        """Return that of an audit at an effort."""
        return cls(TRIALS * effort.seconds)

    def seconds_for(self, trial: Trial) -> float:
        """Return how many seconds a trial may sample, for its case's effort; never more than that has already."""
        own = trial.case.effort.seconds
        return min(own, max(own / LEAST, self._left / PART))

    def spent(self, seconds: float) -> None:
        """Take what a trial took from what is left."""
        self._left = max(0.0, self._left - seconds)
