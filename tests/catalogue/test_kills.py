"""Every check catches the mutants it claims and passes the reference in every dialect."""

from __future__ import annotations

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants import mutants
from droppath_reference.drop_path import drop_path

CLAIMS = [(check.id, name) for check in catalogue().values() for name in check.mutants]

DIALECTS = (
    "granularity=batch",
    "granularity=element",
    "scaling=none",
    "scaling=eval",
    "form=residual",
    "granularity=batch&scaling=eval&form=residual",
)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize(("check", "name"), CLAIMS, ids=[f"{check}-{name}" for check, name in CLAIMS])
def test_a_check_kills_its_mutant(check, name):
    report = audit(mutants()[name], only=(check,), strict=True)
    assert any(result.outcome is Outcome.FAIL for result in report.results)
    # A broken SHOULD is a finding under --strict, an INFO never is.
    found = {result.trial.check for result in report.findings}
    assert found == (set() if catalogue()[check].level is Level.INFO else {check})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_reference_keeps_every_promise_in_every_dialect(dialect):
    report = audit(f"droppath_reference:DropPath?{dialect}", effort="quick")
    report.raise_for_findings()
    assert report.exit_status == 0


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
