from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from droppath_audit import audit
from droppath_audit.core.collected import Collected
from droppath_audit.core.events import AuditFinished
from droppath_audit.core.report import AuditFailed, gravest
from droppath_audit.report.json import document, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.events import Event
    from droppath_audit.core.report import Report

SOME = ("DP101", "DP102[cpu-float32*", "DP301", "DP302", "DP601", "DP001")


def refuse(token: str) -> Any:
    raise AssertionError(f"{token} is not JSON")


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    text = resources.files("droppath_audit.report").joinpath("schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    return jsonschema.Draft202012Validator(json.loads(text))


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    specs = ("droppath_reference:DropPath", "droppath_audit.mutants.law:floor_mask", local)
    return [audit(spec, effort="quick", only=SOME) for spec in specs]


def local(x: Any, drop_prob: float, training: bool) -> Any:
    if drop_prob == 1.0 and training:
        raise ValueError("no [such] thing \x1b[0m \ud800 \u2028")
    return x


def test_every_report_fits_the_schema_and_is_strict(
    reports: list[Report], schema: jsonschema.Draft202012Validator
) -> None:
    assert [report.exit_status for report in reports] == [0, 1, 1]
    for chosen in ([], [reports[0]], [reports[1]], [reports[2]], reports):
        schema.validate(strictly(dumps(chosen)))


def test_the_text_is_utf_8_whatever_a_target_says(reports: list[Report]) -> None:
    assert strictly(dumps(reports).encode("utf-8").decode("utf-8"))


def test_the_schema_refuses_what_does_not_fit(reports: list[Report], schema: jsonschema.Draft202012Validator) -> None:
    good = strictly(dumps(reports[:1]))
    (report,) = good["reports"]
    reports_ = [
        {**report, "more": 1},
        {key: value for key, value in report.items() if key != "seed"},
        {**report, "verdict": "passed"},
        {**report, "results": [{**report["results"][0], "trial": "DP1"}]},
        {**report, "results": [{**report["results"][0], "p_value": 2}]},
        {**report, "levels": {"MUST": report["levels"]["MUST"]}},
    ]
    wrong = [
        {**good, "more": 1},
        {**good, "schema_version": "1.5"},
        report,
        *({**good, "reports": [r]} for r in reports_),
    ]
    for instance in wrong:
        assert not schema.is_valid(instance)


def test_numbers_that_are_not_finite_become_their_names(
    events: Callable[..., Iterator[Event]], schema: jsonschema.Draft202012Validator
) -> None:
    evidence = {
        "elements": 8, "nan": 3, "nonzero": 0, "became": [], "features": [4],
        "seen": [math.nan, (math.inf, {"deep": -math.inf})],
    }  # fmt: skip
    *_, last = events({"DP301[cpu-float32]": Collected(evidence)}, "DP301[cpu-float32]")
    assert isinstance(last, AuditFinished)
    (report,) = strictly(dumps([last.report]))["reports"]
    (result,) = report["results"]
    assert result["evidence"]["seen"] == ["NaN", ["Infinity", {"deep": "-Infinity"}]]
    schema.validate(document([replace(last.report, seconds=0.0)]))


def test_a_report_says_what_was_asked_and_counts_add_up(reports: list[Report]) -> None:
    for report in reports:
        data = report.to_json()
        counts = dict(data["counts"])
        planned, run = counts.pop("planned"), counts.pop("run")
        assert sum(counts.values()) == planned == len(data["results"])
        assert run == planned - counts["not-applicable"] == sum(level["run"] for level in data["levels"].values())
        for outcome in ("pass", "fail", "inconclusive", "error"):
            assert counts[outcome] == sum(level[outcome] for level in data["levels"].values())
        assert (data["seed"], data["effort"], data["budget"], data["strict"]) == (0, "quick", 1e-6, False)


def test_a_finding_has_all_that_the_design_promises(reports: list[Report]) -> None:
    findings = [r for r in reports[1].to_json()["results"] if r["verdict"] == "fail"]
    assert findings
    for result in findings:
        for name in ("message", "promised", "why", "fix", "reproduce", "snippet"):
            assert result[name], (result["trial"], name)


EARLY = {
    "interrupted by SIGINT": 130,
    "interrupted by SIGTERM": 143,
    "no worker could be started": 2,
    "interrupted by SIGNOTHING": 2,
}


@pytest.mark.parametrize("why", EARLY)
def test_an_audit_that_ended_early_never_passes(
    why: str, events: Callable[..., Iterator[Event]], schema: jsonschema.Draft202012Validator
) -> None:
    *_, last = events({}, "DP301")
    assert isinstance(last, AuditFinished)
    whole = last.report
    assert (whole.exit_status, whole.counts["planned"], whole.to_json()["incomplete"]) == (0, 4, "")
    for results in (whole.results, whole.results[:2], ()):
        ended = replace(whole, results=results, incomplete=why, planned=4)
        schema.validate(document([ended]))
        (data,) = document([ended])["reports"]
        assert (data["exit_status"], data["verdict"], data["incomplete"]) == (EARLY[why], "inconclusive", why)
        assert (data["counts"]["planned"], data["counts"]["run"]) == (4, len(results))
        with pytest.raises(AuditFailed, match=f"incomplete: {why}"):
            ended.raise_for_findings()


def test_results_that_are_missing_without_a_reason_are_an_early_end(events: Callable[..., Iterator[Event]]) -> None:
    *_, last = events({}, "DP301")
    assert isinstance(last, AuditFinished)
    lost = replace(last.report, results=last.report.results[:1], planned=4)
    assert (lost.exit_status, lost.ended_early) == (2, "3 planned trials have no verdict")


def test_a_finding_outweighs_an_early_end_but_not_a_signal(events: Callable[..., Iterator[Event]]) -> None:
    broken = Collected(error="raised E")
    *_, last = events({"DP301[cpu-float32]": broken}, "DP301")
    assert isinstance(last, AuditFinished)
    for why, status in (("no worker could be started", 1), ("interrupted by SIGTERM", 143)):
        ended = replace(last.report, incomplete=why)
        assert (ended.exit_status, str(ended.verdict)) == (status, "fail")
        assert ended.conclusion == f"incomplete: {why}; 1 finding so far"


@pytest.mark.parametrize(
    ("statuses", "gravest_of_them"),
    [((), 0), ((0, 3), 3), ((3, 2, 0), 2), ((2, 1, 3), 1), ((1, 130), 130), ((143, 1, 2), 143)],
)
def test_the_status_of_several_audits_is_the_gravest(statuses: tuple[int, ...], gravest_of_them: int) -> None:
    assert gravest(statuses) == gravest_of_them
