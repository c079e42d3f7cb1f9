"""What every audit of the calibration asks is planned for every sound variant, whatever its form."""

from __future__ import annotations

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.run.plan import Settings, make
from droppath_audit.sound import sound_variants
from droppath_audit.targets.loader import load
from tools.calibrating.alarms import Audit
from tools.calibrating.asking import Numbers, all_answers, plain
from tools.calibrating.scratch import Scratch

ELSEWHERE = {check.id for check in catalogue().values() if check.away or check.benchmark} | {"DP703", "DP704"}


def test_what_runs_elsewhere_alone_is_left_out():
    assert plain() == set(catalogue()) - ELSEWHERE


@pytest.mark.parametrize("effort", ["quick", "standard"])
def test_no_sound_variant_lacks_a_check_that_all_are_asked(effort):
    asked = tuple(check for check in catalogue() if check in plain())
    for spec in list(sound_variants().values())[::6]:
        assert {trial.check for trial in make(load(spec).facts, Settings(effort, only=asked))} == {*asked}


def test_of_mutants_of_other_variants_nothing_is_asked(tmp_path, monkeypatch):
    jobs = []

    def none(_, upcoming, **__):
        jobs.extend(upcoming)
        return iter(())

    monkeypatch.setattr("tools.calibrating.questions.answers", none)
    measured = all_answers(Numbers(1, 4, 0, 0), Scratch(tmp_path), 1, tuple(catalogue()))
    assert set(measured["elsewhere"]) == {check.id for check in catalogue().values() if check.away} | {"DP703", "DP704"}
    assert measured["claims"]["stacks_sample_by_sample"]
    assert "IdleWhileCompiled" not in measured["claims"]
    assert measured["lost"] == {"kills": [], "audits": [], "synthetic": []}
    audits = [job for job in jobs if isinstance(job, Audit)]
    assert len(audits) == 4
    assert all(set(job.checks) == plain() for job in audits)
