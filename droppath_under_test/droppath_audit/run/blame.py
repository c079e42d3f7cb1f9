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
    """Counts deaths and hangs by what the trials share, so that one endless loop cannot cost an hour."""

    def __init__(self) -> None:
        self._deaths: Counter[tuple[str, object]] = Counter()
        self._hangs: Counter[str] = Counter()  # by check
        self._hung: defaultdict[tuple[str, object], set[str]] = defaultdict(set)  # checks, by what they share

    def note(self, trial: Trial, collected: Collected) -> None:
        """Note how a trial ended."""
        shared = trial.case.coordinates.items()
        if collected.ended == DIED:
            self._deaths.update(list(shared))
        elif collected.ended == HUNG:
            self._hangs[trial.check] += 1
            for coordinate in shared:
                self._hung[coordinate].add(trial.check)

    @property
    def certain(self) -> bool:
        """Whether that the target hangs needs no second try."""
        return sum(self._hangs.values()) >= SAME_HANGS

    def reason(self, trial: Trial) -> str:
        """Return why this trial is not worth running, or an empty text."""
        if len(self._hangs) >= ALL_HANGS:
            return f"trials of {len(self._hangs)} checks hung before"
        if self._hangs[trial.check] >= SAME_HANGS:
            return f"{self._hangs[trial.check]} earlier trials of {trial.check} hung"
        for name, value in trial.case.coordinates.items():
            if len(self._hung[name, value]) >= SAME_HANGS:
                return f"trials of {len(self._hung[name, value])} checks with {name} {value} hung before"
            if self._deaths[name, value] >= SAME_DEATHS:
                return f"the process died in {self._deaths[name, value]} earlier trials with {name} {value}"
        return ""
