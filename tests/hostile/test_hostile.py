"""Whatever the code under test does becomes a finding of its trial, and the other trials lose nothing by it."""

from __future__ import annotations

import re
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
MODULES = ("ends", "raises", "hangs", "streams", "leaves", "leaves_in_torch")
ONLY = ("DP002", "DP301", "DP201[*-p0.1]")
# What is left in the process is left whatever the dtype.
ONE_DTYPE = ("DP002[cpu-float32]", "DP301[cpu-float32]", "DP201[cpu-float32-p0.1]")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what isolation promises is promised on Linux")


def implementations() -> list[Any]:
    sys.path.insert(0, str(HERE))
    try:
        things = [thing for name in MODULES for thing in vars(import_module(name)).values()]
        return [pytest.param(thing, id=thing.__name__) for thing in things if hasattr(thing, "expected")]
    finally:
        sys.path.remove(str(HERE))


def audited(spec: str, *only: str, limits: Limits | None = None) -> dict[str, str]:
    """Return what was observed in the trials that did not pass; see that all the others were run."""
    with Supervisor(spec, jobs=2, limits=limits) as supervisor:
        *_, last = engine.run(supervisor, Settings(effort="quick", only=only))
    assert isinstance(last, AuditFinished)
    ran = [result for result in last.report.results if result.outcome is not Outcome.NOT_APPLICABLE]
    assert len(ran) >= (4 if set(ONE_DTYPE) <= set(only) else 9)
    return {result.trial.id: result.verdict.observed for result in ran if result.outcome is not Outcome.PASS}


@pytest.mark.parametrize("implementation", implementations())
def test_mischief_costs_what_it_must_and_no_more(implementation: Any) -> None:
    expected, file = implementation.expected, HERE / f"{implementation.__module__}.py"
    framework = "torch" if "torch" in implementation.__module__ else "numpy"
    limits = Limits(trial_seconds=expected.seconds, memory=int(expected.gibibytes * 2**30))
    leaves = [f"{check}[cpu-float32]" for check in expected.findings if "[" not in check]
    only = (*(ONE_DTYPE if leaves else ONLY), *leaves)
    seen = audited(f"{file}:{implementation.__name__}?framework={framework}", *only, limits=limits)
    for found, observed in seen.items():
        name = found if found in expected.findings else found.partition("[")[0]
        wanted = expected.findings.get(name, "nothing")
        assert any(one in observed for one in wanted.split("|")), (found, observed)
    assert {name for name in expected.findings if name in seen or any(name in found for found in seen)} == set(
        expected.findings
    )


@pytest.mark.parametrize("file", sorted((HERE / "at_import").glob("*.py")), ids=lambda file: file.stem)
def test_mischief_at_import_is_one_finding_at_most(file: Path) -> None:
    (expected,) = re.findall(r'^EXPECTED = "(.*)"$', file.read_text(encoding="utf-8"), re.MULTILINE)
    seen = audited(f"{file}:drop_path?framework=numpy", *ONLY, "DP505[cpu-float32]")
    assert list(seen) == (["DP505[cpu-float32]"] if expected else [])
    assert all(expected in observed for observed in seen.values())
