"""Blame: what earlier trials did to the process decides which later ones are worth running.

Results are noted in the order of the plan, so that what is not run does not depend on which worker was faster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from droppath_audit.core.collected import DIED, HUNG

if TYPE_CHECKING:
    from droppath_audit.core.collected import Collected
    from droppath_audit.core.trial import Trial

SAME_DEATHS = 3  # that share a dtype or a drop_prob: the rest of those trials are not run
SAME_HANGS = 2  # of one check, or of checks that share a dtype or a drop_prob
ALL_HANGS = 4  # checks that hung: nothing more is run


class Blame:
    """Counts deaths and hangs by what the trials of a variant share, so that one endless loop cannot cost an hour."""

    def __init__(self) -> None:
        self._deaths: Counter[tuple[str, str, object]] = Counter()
        self._hangs: Counter[tuple[str, str]] = Counter()  # by variant and check
        self._hung: defaultdict[tuple[str, str, object], set[str]] = defaultdict(set)  # checks, by what they share

    def note(self, trial: Trial, collected: Collected) -> None:
        """Note how a trial ended."""
        variant = trial.case.variant
        shared = [(variant, *coordinate) for coordinate in trial.case.coordinates.items()]
        if collected.ended == DIED:
            self._deaths.update(shared)
        elif collected.ended == HUNG:
            self._hangs[variant, trial.check] += 1
            for coordinate in shared:
                self._hung[coordinate].add(trial.check)

    @property
    def certain(self) -> bool:
        """Whether that the target hangs needs no second try."""
        return sum(self._hangs.values()) >= SAME_HANGS

    def reason(self, trial: Trial) -> str:
        """Return why this trial is not worth running, or an empty text."""
        variant = trial.case.variant
        hung = sum(one == variant for one, _ in self._hangs)
        if hung >= ALL_HANGS:
            return f"trials of {hung} checks hung before"
        if (times := self._hangs[variant, trial.check]) >= SAME_HANGS:
            return f"{times} earlier trials of {trial.check} hung"
        for name, value in trial.case.coordinates.items():
            if len(checks := self._hung[variant, name, value]) >= SAME_HANGS:
                return f"trials of {len(checks)} checks with {name} {value} hung before"
            if (deaths := self._deaths[variant, name, value]) >= SAME_DEATHS:
                return f"the process died in {deaths} earlier trials with {name} {value}"
        return ""
