"""Real packages: the exact set of checks that each breaks, by name and dtype, in both directions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

BAD = ("fail", "error")


def test_the_report_says_what_was_audited(known, audited):
    target = audited.report["target"]
    assert (target["spec"], target["stands_for"]) == (known.name, known.spec)
    assert target["package"]
    assert audited.report["dialect"] == known.dialect.to_json()


def test_the_exit_status_is_that_of_the_report(known, audited):
    musts = {r["check"] for r in audited.report["results"] if r["level"] == "MUST" and r["verdict"] in BAD}
    assert audited.status == audited.report["exit_status"] == (1 if musts else 0)


def test_exactly_these_checks_are_broken_in_exactly_these_dtypes(known, audited):
    broken: dict[str, set[str | None]] = {}
    for result in audited.report["results"]:
        if result["verdict"] in BAD and result["trial"] not in known.either:
            broken.setdefault(result["check"], set()).add(result["case"]["dtype"])
    assert broken == {entry.check: set(entry.dtypes.split()) or {None} for entry in known.broken}


def test_everything_else_passes_or_says_why_it_does_not_apply(known, audited):
    assert {result["verdict"] for result in audited.report["results"]} <= {"pass", "not-applicable", *BAD}
    assert all(result["message"] for result in audited.report["results"])


def test_every_finding_can_be_acted_on(known, audited):
    for result in audited.report["results"]:
        if result["verdict"] in BAD:
            assert result["why"]
            assert result["fix"]
            assert result["snippet"]
            assert result["reproduce"].startswith(f"droppath-audit {known.name} --only ")
            assert result["check"] in audited.output


def test_what_the_framework_lacks_is_said_and_not_passed(known, audited):
    target = audited.report["target"]
    lacking = [
        result
        for result in audited.report["results"]
        if result["case"]["dtype"] not in (None, *target["devices"][result["case"]["device"]])
    ]
    assert {result["verdict"] for result in lacking} <= {"not-applicable"}
    # A check may have a reason of its own before this one; the law of the mask has none.
    for result in lacking:
        if result["check"] in ("DP101", "DP102"):
            assert result["message"] == f"{target['framework']} has no {result['case']['dtype']} on cpu"


def test_a_snippet_of_every_broken_check_fails(known, audited):
    broken: dict[str, dict[str, Any]] = {}
    for result in audited.report["results"]:
        if result["verdict"] == "fail":
            broken.setdefault(result["check"], result)
    outcomes = {result["trial"]: outcome_of(result["snippet"]) for result in broken.values()}
    # A layer that writes to its input, or refuses a shape, raises before anything can be asserted.
    raising = {"RuntimeError"} if {"DP004", "DP005"} & set(broken) else set()
    assert {trial: end for trial, end in outcomes.items() if end not in {"AssertionError", *raising}} == {}


def outcome_of(script: str) -> str:
    """Run a snippet and return the name of the exception that it ends with."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True)
    return run.stderr.strip().splitlines()[-1].partition(":")[0] if run.returncode else "holds"
