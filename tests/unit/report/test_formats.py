"""Every form is made from the JSON document, holds what it must, and shows no text of a target as its own."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from droppath_audit import audit
from droppath_audit.core.collected import Collected
from droppath_audit.report import formats
from droppath_audit.report.broken import broken
from droppath_audit.report.formats import github, sarif
from droppath_audit.report.json import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.events import Event

    Events = Callable[..., Iterator[Event]]

SOME = ("DP007", "DP301", "DP306", "DP101")
SCHEMA = "DROPPATH_SARIF_SCHEMA"
HOSTILE = (
    "\x1b[2J <script>alert(1)</script> | `` ``` ````` %0A::error::no %s \r\n]]> & \"' \ud800\uffff\U0001ffff \u202e$x$"
)


@cache
def audited() -> dict[str, Any]:
    specs = ("droppath_reference:DropPath", "droppath_audit.samples.floor_style:DropPath")
    return document([audit(spec, effort="quick", only=SOME) for spec in specs])


@pytest.fixture
def told() -> dict[str, Any]:
    return audited()


def hostile(told: dict[str, Any], said: str) -> dict[str, Any]:
    """Return the document with every text that may be the target's replaced."""
    ours = {"trial", "check", "slug", "level", "verdict", "schema_version", "tool", "effort", "origin", "started"}
    ours |= {"kind", "checks", "trials", "telling"}

    def spoilt(value: Any, name: str = "") -> Any:
        if isinstance(value, dict) and name != "documentation":
            return {key: spoilt(held, key) for key, held in value.items()}
        if isinstance(value, list):
            return [spoilt(held, name) for held in value]
        return said if isinstance(value, str) and value and name not in ours else value

    return spoilt(told)


def test_forms_are_the_files_of_their_folder() -> None:
    assert {"github", "junit", "markdown", "sarif"} <= set(formats.names())
    assert all(formats.what(name) for name in formats.names())


def test_junit_has_a_case_a_trial_and_a_failure_a_finding(told: dict[str, Any]) -> None:
    suites = ET.fromstring(formats.text_of("junit", told))  # noqa: S314 - our own text
    assert [int(suites.get(name, "")) for name in ("tests", "failures", "errors", "skipped")] == [
        sum(report["counts"]["planned"] for report in told["reports"]),
        sum(report["levels"]["MUST"]["fail"] for report in told["reports"]),
        0,
        sum(report["counts"]["not-applicable"] for report in told["reports"]),
    ]
    sound, faulty = suites
    assert [sound.get("name"), faulty.get("name")] == [report["target"]["spec"] for report in told["reports"]]
    assert all(len(suite) == len(report["results"]) for suite, report in zip(suites, told["reports"], strict=True))
    (failure,) = faulty.findall("testcase[@name='DP101[cpu-bfloat16]']/failure")
    assert failure.get("type") == "MUST"
    assert "reproduce: droppath-audit " in (failure.text or "")
    (output,) = faulty.findall("testcase[@name='DP007[cpu-float64]']/system-out")
    assert (output.text or "").startswith("SHOULD, which does not fail")
    skipped = faulty.find("testcase[@name='DP306[cpu-float64]']/skipped")
    assert skipped is not None
    assert skipped.get("message")


def test_junit_tells_what_was_left_open_and_what_was_never_run(events: Events) -> None:
    *_, last = events({"DP301[cpu-float32]": Collected(inconclusive="time ran out")}, "DP301")
    ended = replace(last.report, results=last.report.results[:2], planned=4, incomplete="interrupted by SIGINT")
    suites = ET.fromstring(formats.text_of("junit", document([ended])))  # noqa: S314
    assert [(error.get("type"), error.get("message")) for error in suites.iter("error")] == [
        ("inconclusive", "time ran out"),
        ("incomplete", "interrupted by SIGINT"),
    ]


def test_github_annotates_the_definition_in_the_repository_and_says_how_many_more(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = told["reports"][1]
    file, line = report["target"]["origin"].rsplit(":", 1)
    monkeypatch.chdir(Path(file).parent)
    lines = formats.text_of("github", told).splitlines()
    assert [re.match(r"::(\w+) ", one).group(1) for one in lines] == ["error", "error", "warning"]
    assert all(f"samples/floor_style.py,line={line}," in one for one in lines)
    assert lines[1].startswith("::error file=")
    assert ",title=DP301 keep-prob-zero::" in lines[1]
    monkeypatch.chdir(tmp_path)  # the target is no file of this repository
    assert all("file=" not in one for one in formats.text_of("github", told).splitlines())
    many = {**told, "reports": [report] * 9}
    errors = [one for one in formats.text_of("github", many).splitlines() if one.startswith("::error")]
    assert len(errors) == github.MOST
    assert errors[-1].endswith("9 more; the report has them all")


def test_markdown_has_the_verdict_a_row_a_check_and_each_finding_folded(told: dict[str, Any]) -> None:
    text = formats.text_of("markdown", told)
    assert "### droppath\\_reference:DropPath" in text
    assert "every MUST holds (exit 0)" in text
    assert "5 findings (exit 1)" in text
    assert "| DP301 keep-prob-zero | MUST | 4 of 4 | NaN in " in text
    assert "- SHOULD: 1 failed" in text
    assert text.count("<details>") == text.count("</details>") == 3
    assert "```python\nimport numpy as np\n" in text


def test_markdown_that_a_summary_cannot_hold_says_what_is_left_out(told: dict[str, Any]) -> None:
    for said in ("x" * 2**16, "_" * 2**19):
        text = formats.text_of("markdown", {**told, "reports": hostile(told, said)["reports"] * 40})
        assert len(text.encode()) < 2**20
        assert "left out, because a summary can hold no more" in text[-300:]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    if SCHEMA not in os.environ:
        pytest.skip(f"{SCHEMA} does not name the published schema, which .ci/run fetches")
    text = Path(os.environ[SCHEMA]).read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def test_sarif_fits_the_published_schema(told: dict[str, Any], schema: jsonschema.Draft202012Validator) -> None:
    for one in (told, hostile(told, HOSTILE), {**told, "reports": []}):
        schema.validate(json.loads(sarif.text(one)))


def prints(run: dict[str, Any]) -> list[str]:
    return [one["partialFingerprints"][sarif.FINGERPRINT] for one in run["results"]]


def test_sarif_has_a_rule_a_check_and_a_result_where_the_target_stands(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, line = told["reports"][1]["target"]["origin"].rsplit(":", 1)
    monkeypatch.chdir(Path(file).parent)
    (run,) = json.loads(sarif.text(told))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["DP007", "DP101", "DP301"]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("DP101", "error"), ("DP301", "error"), ("DP007", "warning"),
    ]  # fmt: skip
    for one in run["results"]:
        (place,) = (each["physicalLocation"] for each in one["locations"])
        assert place["artifactLocation"]["uri"].endswith("samples/floor_style.py")
        assert place["region"] == {"startLine": int(line), "snippet": {"text": "class DropPath(nn.Module):"}}
    assert [one["exitCode"] for one in run["invocations"]] == [0, 1]
    (tmp_path / "tox.ini").touch()
    monkeypatch.chdir(tmp_path)
    (elsewhere,) = json.loads(sarif.text(told))["runs"]
    places = [one["locations"][0]["physicalLocation"] for one in elsewhere["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"tox.ini"}
    assert prints(elsewhere) == prints(run)


def test_fingerprints_survive_when_lines_move_and_tell_checks_apart(told: dict[str, Any], tmp_path: Path) -> None:
    file, line = told["reports"][1]["target"]["origin"].rsplit(":", 1)
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    moved = tmp_path / "moved.py"
    moved.write_text("\n".join(["# one more", *lines]), encoding="utf-8")
    report = told["reports"][1]
    there = {**report, "target": {**report["target"], "origin": f"{moved}:{int(line) + 1}"}}
    before, after = (json.loads(sarif.text({**told, "reports": [one]}))["runs"][0] for one in (report, there))
    assert prints(before) == prints(after)
    assert len(set(prints(before))) == len(prints(before))


@settings(max_examples=int(os.environ.get("DROPPATH_EXAMPLES", "30")))
@example(said=HOSTILE)
@example(said="é" * 2**19)  # a megabyte
@given(said=st.text(st.characters(), max_size=40))
def test_no_text_of_a_target_escapes_from_any_form(said: str) -> None:
    told = audited()
    spoilt = hostile(told, said)
    forms = {name: formats.text_of(name, spoilt) for name in formats.names()}
    found = sum(len(broken(report)) for report in told["reports"])
    suites = ET.fromstring(forms["junit"].encode("utf-8"))  # noqa: S314
    assert len(list(suites.iter("failure"))) == 5
    assert len(suites) == 2
    lines = forms["github"].encode("utf-8").decode().split("\n")
    assert len(lines) == found + 1
    assert all(line.startswith(("::error ", "::warning ")) for line in lines[:-1])
    (run,) = json.loads(forms["sarif"])["runs"]
    assert len(run["results"]) == found
    text = forms["markdown"]
    assert len(text.encode("utf-8")) < 2**20
    outside = re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$", "", text)
    assert not re.search(r"(?<!\\)<(?!/?(details|summary)>)", outside)
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    for form in forms.values():
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", form)
