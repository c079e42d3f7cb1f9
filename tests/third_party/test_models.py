"""Whole models of real packages: their layers, their rule, and exactly the checks that each breaks, by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from droppath_audit.checks import of_models
from tests.third_party.conftest import audit
from tools.zoo_models import IMPORTS, MODELS

BAD = ("fail", "error")


@pytest.fixture(scope="module", params=MODELS, ids=[model.name for model in MODELS])
def expected(request):
    return request.param


@pytest.fixture(scope="module")
def audited(expected, tmp_path_factory):
    imports = [word for module in IMPORTS for word in ("--import", module)]
    return audit(["model", expected.spec, *imports], f"models/{expected.name}", tmp_path_factory)


def test_its_layers_are_found(expected, audited):
    assert audited.report["target"]["kind"] == "model"
    assert audited.report["target"]["arguments"] == expected.layers


def test_its_rule_is_recognised(expected, audited):
    (schedule,) = [result for result in audited.report["results"] if result["check"] == "DP901"]
    assert schedule["message"].startswith(expected.schedule)


def test_exactly_these_checks_are_broken_and_the_others_pass(expected, audited):
    verdicts = {result["check"]: result["verdict"] for result in audited.report["results"]}
    assert verdicts == {
        check: "fail" if check in expected.broken else "not-applicable" if check in expected.not_applicable else "pass"
        for check in of_models()
    }
    assert audited.status == audited.report["exit_status"] == (1 if expected.broken else 0)


def test_every_finding_can_be_acted_on(expected, audited):
    for result in audited.report["results"]:
        if result["verdict"] in BAD:
            assert result["why"]
            assert result["fix"]
            assert result["reproduce"].startswith("droppath-audit model ")
            assert result["check"] in audited.output


def test_a_script_of_every_finding_fails(expected, audited):
    for result in audited.report["results"]:
        if result["verdict"] == "fail":
            words = [sys.executable, "-W", "ignore", "-c", result["snippet"]]
            run = subprocess.run(words, capture_output=True, text=True)
            assert run.stderr.strip().splitlines()[-1].partition(":")[0] == "AssertionError", run.stderr
