"""Other forms of a report, when it is made and later, and what differs between two."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

SOUND, FAULTY = "droppath_reference:DropPath", "droppath_audit.mutants.law:floor_mask"
ASKED = ("--effort", "quick", "--no-isolation", "--only", "DP301", "--only", "DP007")


@pytest.fixture
def run(command_line: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return partial(command_line)


@pytest.fixture
def made(run: Run) -> Callable[..., dict[str, Any]]:
    def audited(name: str, *specs: str) -> dict[str, Any]:
        run(*specs, *ASKED, "--json", name)
        return json.loads(Path(name).read_text(encoding="utf-8"))

    return audited


def test_every_form_is_the_same_now_and_later(run: Run) -> None:
    forms = {"junit": "a.xml", "sarif": "a.sarif", "markdown": "a.md", "github": "a.txt"}
    options = [word for name, file in forms.items() for word in (f"--{name}", file)]
    status, out, _ = run(SOUND, FAULTY, *ASKED, "--json", "a.json", *options)
    assert status == 1
    assert "4 findings" in out
    first = {file: Path(file).read_text(encoding="utf-8") for file in forms.values()}
    for file in forms.values():
        Path(file).unlink()
    assert run("report", "a.json", *options) == (0, "", "")
    assert {file: Path(file).read_text(encoding="utf-8") for file in forms.values()} == first


def test_a_report_alone_says_what_is_broken_a_line_a_check(run: Run, made: Callable[..., Any]) -> None:
    made("a.json", SOUND)
    made("b.json", FAULTY)
    status, out, err = run("report", "a.json", "b.json")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{SOUND}: every MUST holds (exit 0)"
    assert lines[1] == f"{FAULTY}: 4 findings (exit 1)"
    assert lines[2].startswith("  DP301 keep-prob-zero  MUST  4 of 4  NaN in ")
    assert lines[3].startswith("  DP007 bad-probability  SHOULD  1 of 1  ")
    assert len(lines) == 4


def test_two_forms_cannot_have_one_file(run: Run) -> None:
    status, out, err = run(SOUND, *ASKED, "--json", "-", "--junit", "-")
    assert (status, out) == (2, "")
    assert err == "droppath-audit: --json and --junit cannot both be written to standard output.\n"


def test_a_form_on_standard_output_stands_there_alone(run: Run) -> None:
    status, out, err = run(FAULTY, *ASKED, "--github", "-")
    assert status == 1
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["::error", "::warning"]
    assert "4 findings" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read as a report: No such file or directory"),
        ("{", "it is no JSON"),
        ("[" * 10**5, "it is no JSON"),
        ("[]", "is no JSON report of droppath-audit"),
        ('{"schema_version": "2.0"}', "is no JSON report of droppath-audit"),
        ('{"schema_version": "1.5", "results": []}', "has the schema version '1.5'; this version reads '2.0'"),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(run: Run, content: str | None, said: str) -> None:
    if content is not None:
        Path("a.json").write_text(content, encoding="utf-8")
    status, out, err = run("report", "a.json")
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_comparison_tells_what_is_new_fixed_and_gone(run: Run, made: Callable[..., Any]) -> None:
    data = made("new.json", FAULTY)
    (report,) = data["reports"]
    sound = [{**result, "verdict": "pass"} for result in report["results"]]
    Path("old.json").write_text(json.dumps({**data, "reports": [{**report, "results": sound}]}), encoding="utf-8")
    status, out, _ = run("compare", "old.json", "new.json")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["new", "new"]
    assert f"{FAULTY}  DP301 keep-prob-zero (MUST): NaN in " in out
    status, out, _ = run("compare", "new.json", "old.json")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, ["fixed", "fixed"])
    less = [result for result in sound if result["check"] != "DP301"]
    Path("less.json").write_text(json.dumps({**data, "reports": [{**report, "results": less}]}), encoding="utf-8")
    status, out, _ = run("compare", "new.json", "less.json")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, ["gone", "fixed"])
    assert run("compare", "new.json", "new.json") == (0, "Nothing differs.\n", "")


def test_a_comparison_of_other_seeds_shows_no_known_fault_as_new(run: Run, made: Callable[..., Any]) -> None:
    made("old.json", FAULTY)
    run(FAULTY, *ASKED, "--seed", "77", "--json", "new.json")
    assert run("compare", "old.json", "new.json") == (0, "Nothing differs.\n", "")


def test_what_fails_the_audit_only_now_is_a_change(run: Run, made: Callable[..., Any]) -> None:
    made("old.json", FAULTY)
    run(FAULTY, *ASKED, "--strict", "--json", "new.json")
    status, out, _ = run("compare", "old.json", "new.json")
    assert (status, out.split()[0]) == (0, "changed")
    assert out.endswith("; it fails the audit now\n")


def test_reports_of_other_targets_are_not_compared(run: Run, made: Callable[..., Any]) -> None:
    made("old.json", SOUND)
    made("new.json", FAULTY)
    status, _, err = run("compare", "old.json", "new.json")
    assert status == 2
    assert "have no target in common" in err
