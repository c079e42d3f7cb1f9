"""Every fault of a model is found by the check that claims it, at its line; no sound model is found fault with.

An audit at quick effort draws from a fixed seed. Its false alarms are bounded by the budget, 1e-6 an audit; the checks
that find these faults are exact but DP902 and DP904, whose power against these mutants exceeds 0.999 by their design.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from droppath_audit import checks
from droppath_audit.checks import of_models
from droppath_audit.core.level import Level
from droppath_audit.models.target import load
from droppath_audit.mutants.models import mutant_models
from droppath_audit.run import engine
from droppath_audit.run.driving import InProcess
from droppath_audit.run.plan import Settings
from droppath_audit.sound.models import sound_models

CHECKS = list(of_models().values())
CLAIMS = {name: check.id for check in CHECKS for name in check.mutants}
DECLARED = {"schedules": "schedule=linear&arg.drop_path_rate=0.3"}
LINES = ("DP903", "DP905", "DP906")  # whose evidence says where


def audited(spec: str, *only: str):
    collector = InProcess(load(spec), watched=False)
    *_, last = engine.run(collector, Settings(effort="quick", only=only))
    return last.report


def spec_of(name: str) -> str:
    spec = mutant_models()[name]
    items = DECLARED.get(spec.partition(":")[0].rpartition(".")[2], "")
    return f"{spec}?{items}" if items else spec


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_is_documented_and_claims_a_mutant(check):
    assert check.mutants
    for text in (check.documentation.what, check.documentation.why, check.documentation.fix, check.documentation.seen):
        assert len(text) > 40
        assert text.endswith(".")


def test_a_check_stands_in_the_file_that_its_title_names():
    files = {path.stem for path in (Path(checks.__path__[0]) / "models").glob("dp*.py")}
    assert files == {f"{check.id}_{check.slug}".lower().replace("-", "_") for check in CHECKS}


def test_every_mutant_is_claimed_and_every_claim_is_a_mutant():
    assert set(CLAIMS) == set(mutant_models())


@pytest.mark.parametrize("name", mutant_models())
def test_a_mutant_is_found_by_the_check_that_claims_it(name):
    spec = spec_of(name)
    report = audited(spec, CLAIMS[name])
    assert [result.trial.check for result in report.findings] == [CLAIMS[name]]
    cause = report.causes[0]
    if CLAIMS[name] in LINES and "# fault" in _source(spec) and name not in ("held_in_a_list", "active_in_evaluation"):
        text = Path(cause.place.file).read_text(encoding="utf-8").splitlines()[cause.place.line - 1]
        assert "# fault" in text, f"{cause.place}: {text}"


def _source(spec: str) -> str:
    module, _, _ = spec.partition("?")[0].partition(":")
    return inspect.getsource(import_module(module))


@pytest.mark.parametrize("name", sound_models())
def test_no_sound_model_is_found_fault_with(name):
    report = audited(sound_models()[name])
    assert not [f"{result.trial.id}: {result.verdict.observed}" for result in report.results if result.bad]
    assert not report.open
    assert report.counts["run"] >= 5
    assert {result.level for result in report.results} == {Level.MUST}
