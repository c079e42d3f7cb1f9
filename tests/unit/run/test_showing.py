"""Scripts of findings are run before they are printed: what shows a fault, and what does not."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from droppath_audit.commands import cli
from droppath_audit.core.case import DtypeCase
from droppath_audit.core.events import AuditFinished
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.level import Level
from droppath_audit.core.result import Result
from droppath_audit.core.trial import Trial
from droppath_audit.core.verdict import Verdict
from droppath_audit.mutants import mutants
from droppath_audit.run import engine
from droppath_audit.run.limits import Limits
from droppath_audit.run.plan import Settings
from droppath_audit.run.showing import OTHERS, Showing
from droppath_audit.run.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path


def finding(snippet: str, observed: str = "", check: str = "DP301", verdict: Verdict | None = None) -> Result:
    trial = Trial(check, "slug", Level.MUST, DtypeCase(dtype="float32"))
    return Result(trial, verdict or Verdict.failed(observed), snippet=snippet)


def became(result: Result, **options) -> tuple[str, str]:
    (shown,) = Showing(**options).shown([result])
    return shown.snippet_state, shown.snippet_note


@pytest.mark.parametrize(
    ("snippet", "observed"),
    [
        ("x = 1\nassert x == 2", "x is 1"),
        ("def must():\n    assert False\n\nmust()", "it is false"),
        ("try:\n    1 / 0\nexcept Exception as error:\n    raise AssertionError('it raises') from error", "no number"),
        ("import json\njson.loads('')", "raised JSONDecodeError: Expecting value"),
        ("import sys\nprint(1)\nsys.exit(3)", "raised SystemExit: 3"),
        ("import os\nos._exit(3)", "the process ended with exit status 3"),
        ("import os\nos.kill(os.getpid(), 11)", "the process was killed by SIGSEGV"),
    ],
)
def test_a_script_that_ends_as_the_finding_says_shows_it(snippet: str, observed: str) -> None:
    assert became(finding(snippet, observed)) == ("shown", "")


@pytest.mark.parametrize(
    ("snippet", "observed", "note"),
    [
        ("x = 1\nassert x == 1", "x is 2", "it ran to its end"),
        ("import nothing_of_this_name", "x is 2", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        # A target that cannot be imported is none that was called.
        (
            "import nothing_of_this_name",
            "raised ModuleNotFoundError: another",
            "ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("import runpy\nf = runpy.run_path('no.py')['f']", "raised FileNotFoundError", "FileNotFoundError"),
        ("import json\njson.loads('')", "the values are wrong", "JSONDecodeError: Expecting value"),
        # An assertion of the target is no assertion of the script.
        ("import unittest\nunittest.TestCase().assertTrue(0)", "the values are wrong", "AssertionError: 0 is not true"),
        ("import os\nos._exit(0)", "the process ended with exit status 0", "it ran to its end"),
        ("import os\nos._exit(3)", "the values are wrong", "the process ended with exit status 3"),
        ("import os\nos.kill(os.getpid(), 11)", "the values are wrong", "the process was killed by SIGSEGV"),
        ("raise ValueError(object())\n", "", "ValueError: <object object at 0x…>"),
        # What runs the script lends it nothing that it does not import.
        ("os.getpid()", "", "NameError: name 'os' is not defined"),
        ("json.dumps(tell)", "", "NameError: name 'json' is not defined"),
        ("def f(:", "", "SyntaxError: invalid syntax"),
    ],
)
def test_a_script_that_ends_in_any_other_way_shows_nothing(snippet: str, observed: str, note: str) -> None:
    state, said = became(finding(snippet, observed))
    assert state == "not shown standalone"
    assert said.startswith(note)


def test_a_script_of_an_endless_loop_is_stopped_when_the_time_is_over() -> None:
    started = time.monotonic()
    state, note = became(finding("while True:\n    pass"), seconds=1.5)
    assert (state, note) == ("not run", "the 1.5 seconds for all scripts were over")
    assert time.monotonic() - started < 10


def test_what_hung_is_not_waited_for_again() -> None:
    hung = finding("import time; time.sleep(100)", verdict=Verdict.error("no answer within 30 seconds"))
    state, note = became(replace(hung, stopped_by_time=True))
    assert (state, note) == ("not run", "the trial was stopped, and its script would not end")


def test_the_time_is_that_of_all_scripts_of_an_audit_together() -> None:
    showing = Showing(seconds=1.5)
    showing.shown([finding("while True:\n    pass")])
    (late,) = showing.shown([finding("assert False", check="DP302")])
    assert (late.snippet_state, late.snippet_note) == ("not run", "the 1.5 seconds for all scripts were over")


GREEDY = "held = [bytearray(b'x' * 2**20) for _ in range(400)]\nimport time\ntime.sleep(30)"


@pytest.mark.parametrize(
    ("observed", "state"), [("it used more than 200 MiB of memory; …", "shown"), ("x is 1", "not run")]
)
def test_a_script_is_held_to_the_limit_of_memory(observed: str, state: str) -> None:
    found = became(finding(GREEDY, observed), limits=Limits(memory=200 * 2**20))
    assert found[0] == state
    assert "more than 200 MiB" in found[1] or state == "shown"


def test_nothing_that_a_script_started_is_left_running(tmp_path: Path) -> None:
    file = tmp_path / "child"
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        f"open({str(file)!r}, 'w').write(str(child.pid))\nassert False"
    )
    assert became(finding(code))[0] == "shown"
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_a_script_prints_nowhere_and_has_nothing_to_read(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys\nprint('said')\nos.write(2, b'said')\nassert sys.stdin.read() == 'something'"
    assert became(finding(code))[0] == "shown"
    assert capfd.readouterr() == ("", "")


def test_an_interrupted_audit_runs_no_more_scripts() -> None:
    assert became(finding("assert False"), interruption=Interruption(2)) == ("not run", "interrupted by SIGINT")


def test_of_each_check_one_script_is_run_however_often_it_is_asked() -> None:
    one, other = finding("assert False"), finding("assert False", check="DP302")
    again = replace(one, trial=replace(one.trial, case=DtypeCase(dtype="float64")))
    little = Verdict.failed("by little", level=Level.SHOULD)
    warning = replace(one, trial=replace(one.trial, case=DtypeCase(dtype="float16")), verdict=little)
    passed = replace(finding("", check="DP303"), verdict=Verdict.passed())
    showing = Showing(jobs=2)
    found = showing.shown([one, again, warning, passed, other])
    assert [result.snippet_state for result in found] == ["shown", "not run", "shown", "", "shown"]
    assert found[1].snippet_note == OTHERS
    assert [result.snippet_state for result in showing.shown([again])] == ["not run"]


def test_the_number_of_jobs_changes_nothing() -> None:
    scripts = ["assert False", "pass", "import os\nos._exit(3)", "raise ValueError(1)", "import time\ntime.sleep(1)"]
    results = [finding(text, check=f"DP30{number}") for number, text in enumerate(scripts)]
    assert Showing(jobs=1).shown(results) == Showing(jobs=4).shown(results)


def test_the_target_is_found_as_in_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working directory, in which a module hides none of the library's."""
    (tmp_path / "json.py").write_text("raise RuntimeError")
    (tmp_path / "mine.py").write_text("import json\n\ndef f():\n    return json.dumps(1)")
    monkeypatch.chdir(tmp_path)
    assert became(finding("from mine import f\nassert f() == '2'"))[0] == "shown"


def reported(*words: str) -> tuple[list[dict[str, str]], str]:
    done = CliRunner().invoke(cli, [*words, "--json", "-"])
    bad = [
        result for result in json.loads(done.stdout)["reports"][0]["results"] if result["verdict"] in ("fail", "error")
    ]
    return bad, done.stderr


TARGET = """
import numpy as np

def drop_path(x, drop_prob=0.0, training=False):
    if not training:
        return x
    keep = np.random.random((len(x),) + (1,) * (x.ndim - 1)) >= drop_prob
    return x * keep / (1 - drop_prob)
"""


def test_a_report_says_what_became_of_its_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layer.py").write_text(TARGET)
    monkeypatch.chdir(tmp_path)
    words = ("layer.py:drop_path?framework=numpy", "--effort", "quick", "--only", "DP301", "--jobs", "2", "-v")
    bad, printed = reported(*words)
    assert [result["snippet_state"] for result in bad] == ["shown", *["not run"] * (len(bad) - 1)]
    assert "it was run, and fails" in printed
    monkeypatch.setattr("droppath_audit.checks.dp301_keep_prob_zero.KeepProbZero.show", lambda *_: None)
    bad, printed = reported(*words)
    assert bad[0]["snippet_state"] == "not shown standalone"
    assert "not shown standalone (it ran to its end)" in printed
    bad, printed = reported(*words, "--no-isolation")
    assert {result["snippet_state"] for result in bad} == {"not run"}
    assert "not run (an audit in this process runs no scripts)" in printed


@pytest.mark.parametrize(
    ("target", "only"),
    [
        ("edges:clamps_keep_prob", ("DP301[cpu-float32]", "DP302[cpu-float32]")),
        ("modes:ModeOfFirstCall", ("DP001[cpu-float64-p0.002]", "DP008[cpu-float64]")),
        ("lives:FadesAfterManyCalls", ("DP102[cpu-float64-p0.002]",)),
        ("shape:raises_on_empty_batch", ("DP304[cpu-float64]",)),
        ("paper:MultipliesInTraining", ("DP305[cpu-float64]",)),
    ],
)
def test_the_scripts_of_findings_show_them(target: str, only: tuple[str, ...]) -> None:
    """At first or when they are longer; ``droppath-audit selftest`` asks this of every finding on every mutant."""
    spec = mutants()[target.partition(":")[2]]
    with Supervisor(spec) as supervisor:
        *_, last = engine.run(supervisor, Settings("quick", only=only), showing=Showing(jobs=2, seconds=600))
    assert isinstance(last, AuditFinished)
    assert [(result.trial.id, result.snippet_state) for result in last.report.results] == [
        (one, "shown") for one in only
    ]
