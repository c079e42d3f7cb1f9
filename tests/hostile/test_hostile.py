"""Whatever the code under test does becomes a finding of its trial, and the other trials lose nothing by it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from droppath_audit.core.events import AuditFinished
from droppath_audit.core.verdict import Outcome
from droppath_audit.run import engine
from droppath_audit.run.limits import Limits
from droppath_audit.run.plan import Settings
from droppath_audit.run.supervisor import Supervisor

HERE = Path(__file__).parent
MODULES = ("ends", "raises", "hangs", "streams")
ONLY = ("DP002", "DP301", "DP201[*-p0.1]")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what isolation promises is promised on Linux")


def implementations() -> list[Any]:
    sys.path.insert(0, str(HERE))
    try:
        things = [thing for name in MODULES for thing in vars(import_module(name)).values()]
        return [pytest.param(thing, id=thing.__name__) for thing in things if hasattr(thing, "expected")]
    finally:
        sys.path.remove(str(HERE))


@pytest.mark.parametrize("implementation", implementations())
def test_mischief_costs_what_it_must_and_no_more(implementation: Any) -> None:
    expected = implementation.expected
    spec = f"{HERE / implementation.__module__}.py:{implementation.__name__}?framework=numpy"
    limits = Limits(trial_seconds=expected.seconds, memory=int(expected.gibibytes * 2**30))
    with Supervisor(spec, jobs=2, limits=limits) as supervisor:
        *_, last = engine.run(supervisor, Settings(effort="quick", only=ONLY))
    assert isinstance(last, AuditFinished)
    ran = [result for result in last.report.results if result.outcome is not Outcome.NOT_APPLICABLE]
    assert len(ran) == 9
    seen = {result.trial.id: result.verdict.observed for result in ran if result.outcome is not Outcome.PASS}
    findings = {trial: text for trial, text in expected.findings.items() if "[" in trial}
    assert seen.keys() == findings.keys()
    for trial, beginning in findings.items():
        assert seen[trial].startswith(beginning)
