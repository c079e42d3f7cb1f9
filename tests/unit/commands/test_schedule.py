"""``droppath-audit schedule``: the same isolation, reports and exit statuses as for a layer."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from typing import TYPE_CHECKING

import jsonschema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

TUTORIAL = """\
def drop_path_rates(drop_path_rate, num_layers):
    step = drop_path_rate / (num_layers - 1)
    return [step * layer for layer in range(num_layers)]
"""


def test_a_fault_is_a_finding_at_its_line_in_every_form(command_line: Run, tmp_path: Path) -> None:
    """A file that names no framework, as such functions are."""
    file, report = tmp_path / "tutorial.py", tmp_path / "report.json"
    file.write_text(TUTORIAL, encoding="utf-8")
    spec = f"{file}:drop_path_rates"
    status, out, err = command_line("schedule", spec, "-v", "--json", str(report))
    assert (status, err) == (1, "")
    assert "called   drop_path_rates(drop_path_rate=drop_prob, num_layers=L)" in out
    assert "means    num_layers: number of blocks · drop_path_rate: drop_prob of the last block" in out
    assert "raised ZeroDivisionError" in out
    assert "it was run, and fails" in out
    document = json.loads(report.read_text(encoding="utf-8"))
    text = resources.files("droppath_audit.report").joinpath("schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json.loads(text)).validate(document)
    (only,) = document["reports"]
    assert (only["target"]["kind"], only["exit_status"]) == ("schedule", 1)
    (cause,) = only["causes"]
    assert (cause["file"], cause["line"], cause["function"]) == (str(file), 2, "drop_path_rates")
    (broken,) = (one for one in only["results"] if one["verdict"] == "fail")
    assert (broken["case"]["aspect"], broken["snippet_state"]) == ("every-depth", "shown")
    words = shlex.split(broken["reproduce"])
    assert words[:3] == ["droppath-audit", "schedule", spec]
    status, out, _ = command_line(*words[1:])
    assert status == 1
    assert "1 planned" in out


def test_a_sound_schedule_holds_and_says_by_which_rule(command_line: Run) -> None:
    status, out, err = command_line("schedule", "droppath_reference.schedule:paper", "--schedule", "paper", "-v")
    assert (status, err) == (0, "")
    assert "every MUST holds · exit 0" in out


def test_a_broken_should_fails_where_that_is_asked_for(command_line: Run) -> None:
    words = ("schedule", "droppath_audit.mutants.schedules.values:numpy_scalars", "--only", "DP908[cpu-plain-numbers]")
    assert command_line(*words)[0] == 0
    assert command_line(*words, "--strict")[0] == 1


def test_what_is_open_ends_with_the_command_to_run_next(command_line: Run, tmp_path: Path) -> None:
    file = tmp_path / "unclear.py"
    file.write_text("def f(a, b):\n    return [a] * b\n", encoding="utf-8")
    status, out, err = command_line("schedule", f"{file}:f", "--schedule", "constant", "--no-isolation")
    assert (status, out) == (2, "")
    words = shlex.split(err.strip().splitlines()[-1])
    assert words[:2] == ["droppath-audit", "schedule"]
    status, out, err = command_line(*words[1:], "--no-isolation")
    assert (status, err) == (0, "")


def test_a_plan_runs_nothing(command_line: Run) -> None:
    status, out, _ = command_line("schedule", "droppath_reference.schedule:linear", "--plan", "--no-isolation")
    assert status == 0
    assert len(re.findall(r"^DP908\[cpu-[a-z0-9-]+\]", out, re.MULTILINE)) == 10


def test_checks_of_models_and_schedules_are_listed_and_explained(command_line: Run) -> None:
    listed = command_line("list")[1]
    assert all(f"DP90{number}" in listed for number in range(1, 9))
    status, out, _ = command_line("explain", "schedule-function")
    assert status == 0
    assert out.startswith("DP908 schedule-function: ")
    assert out.rstrip().endswith("MUST, in a model.")
