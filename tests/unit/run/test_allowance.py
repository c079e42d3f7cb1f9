"""What one trial may sample, when an audit has sampled for long."""

from __future__ import annotations

from droppath_audit.core.case import Case
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.level import Level
from droppath_audit.core.trial import Trial
from droppath_audit.run.allowance import Allowance

STANDARD = EFFORTS["standard"]
TRIAL = Trial("DP102", "keep-probability", Level.MUST, Case(effort=STANDARD))


def test_an_audit_of_usual_length_never_has_less_than_its_effort_gives() -> None:
    allowance = Allowance.of(STANDARD)
    for _ in range(500):
        assert allowance.seconds_for(TRIAL) == STANDARD.seconds
        allowance.spent(0.1)


def test_trials_that_all_use_up_their_time_take_minutes_and_none_is_left_without() -> None:
    allowance, total = Allowance.of(STANDARD), 0.0
    given = []
    for _ in range(150):
        given.append(allowance.seconds_for(TRIAL))
        allowance.spent(given[-1])
        total += given[-1]
    assert given == sorted(given, reverse=True)
    assert given[0] == STANDARD.seconds
    assert given[-1] == STANDARD.seconds / 30
    assert total <= 20 * STANDARD.seconds + 150 * STANDARD.seconds / 30


def test_a_trial_never_has_more_than_its_own_effort() -> None:
    assert Allowance(1e9).seconds_for(TRIAL) == STANDARD.seconds
