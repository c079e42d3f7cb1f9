"""Every check catches the mutants it claims, and its script shows the fault and nothing else.

The suite asks of each check the mutant that it names first; all others are asked by ``tox -e selftest``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.dialect import CHOICES
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants import mutants
from droppath_audit.run.admitting import admitted
from droppath_audit.run.plan import Settings, make
from droppath_audit.scripts import script_for
from droppath_audit.selftest.examination import results
from droppath_audit.targets.loader import load
from droppath_reference.drop_path import drop_path
from tests.in_part import one_mutant_a_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result
    from droppath_audit.targets.loader import Loaded


@cache
def sound_in(items: str) -> Facts:
    """Return the facts of the reference in the dialect that a mutant's items declare."""
    dialect = "&".join(item for item in items.split("&") if item.partition("=")[0] in CHOICES and "factory" not in item)
    return load("droppath_reference:DropPath" + (f"?{dialect}" if dialect else "")).facts


def killed(loaded: Loaded, check: str) -> Result | None:
    """Return the first trial of a check that fails a target: at quick effort in half of the dtypes, else in full."""
    half = tuple(
        trial.id
        for trial in make(loaded.facts, Settings(effort="quick", only=(check,)))
        if trial.case.coordinates.get("dtype") in (None, "float64", "bfloat16")
    )
    for effort, only in (("quick", half or (check,)), ("standard", (check,))):
        for result in results(loaded, Settings(effort, only=only)):
            if result.outcome is Outcome.FAIL:
                return result
    return None


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("name", one_mutant_a_check())
def test_every_check_kills_the_mutant_that_it_claims_and_shows_the_fault(
    name: str, outcome_of: Callable[[str], str]
) -> None:
    loaded = admitted(load(mutants()[name]))
    for check in (check for check in catalogue().values() if name in check.mutants):
        finding = killed(loaded, check.id)
        assert finding is not None, check.id
        # A broken SHOULD is a finding under --strict, an INFO never is.
        assert finding.is_finding(strict=True) is (check.level is not Level.INFO)
        where = (name, finding.trial.id, finding.verdict.observed)
        assert "droppath_audit" not in finding.snippet.replace("from droppath_audit.mutants", "")
        outcome = outcome_of(finding.snippet)
        raised = "raised" in finding.verdict.observed and outcome.startswith("raises")
        assert (*where, outcome == "fails" or raised) == (*where, True)
        # The same lines hold for what is right.
        script = script_for(sound_in(mutants()[name].partition("?")[2]), finding.trial.case)
        check.show(check.load(finding.evidence), finding.trial.case, script)
        assert (*where, outcome_of(script.text())) == (*where, "holds")


@pytest.mark.parametrize(("granularity", "declared"), [("sample", "batch"), ("sample", "element"), ("batch", "sample")])
def test_a_granularity_other_than_the_declared_one_is_found(granularity, declared):
    def target(x, drop_prob, training):
        return drop_path(x, drop_prob, training, granularity=granularity)

    report = audit(target, granularity=declared, only=("DP104",), effort="quick")
    assert len(report.findings) == report.counts["run"]


@pytest.mark.parametrize(
    ("scaling", "declared", "check"),
    [
        ("inverted", "none", "DP201"),
        ("none", "inverted", "DP201"),
        ("inverted", "eval", "DP001"),
        ("none", "eval", "DP001"),
        ("eval", "inverted", "DP001"),
    ],
)
def test_a_scaling_other_than_the_declared_one_is_found(scaling, declared, check):
    def target(x, drop_prob, training):
        return drop_path(x, drop_prob, training, scaling=scaling)

    report = audit(target, scaling=declared, only=(check,), effort="quick")
    assert report.findings


def test_a_hint_names_the_option_that_declares_what_the_target_does():
    report = audit(mutants()["never_scaled"], only=("DP201",), effort="quick")
    assert any("scaling=none" in result.verdict.hint for result in report.findings)
    report = audit(mutants()["per_batch"], only=("DP104",), effort="quick")
    assert all("granularity=batch" in result.verdict.hint for result in report.findings)
