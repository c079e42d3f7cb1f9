"""The plugin in the sessions of its users: names, warnings, settings, and targets that cannot be loaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from droppath_audit import DropPathWarning, conformance, pytest_plugin
from droppath_audit.core.errors import UsageError
from droppath_audit.run.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Session = Callable[..., tuple[int, str]]

SOUND = "droppath_reference:DropPath"
LENIENT = "droppath_audit.mutants.manners:accepts_any_probability"
SHOULD, MUST = "DP007[cpu-float64]", "DP301[cpu-float32]"  # the first of which LENIENT breaks
WARNS = f"from droppath_audit import conformance\ntest_layer = conformance({LENIENT!r}, only=('DP007',))\n"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Run pytest in a folder of its own with this plugin alone; return its exit status and what it printed."""

    def run(*words: str, ini: str = "", **files: str) -> tuple[int, str]:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n", encoding="utf-8")
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        # pytest repeats whole messages in its summary where it takes itself to run in CI.
        outside = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
        environment = {**outside, "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "droppath_audit.pytest_plugin", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout + done.stderr

    return run


class Names:
    """Stands for pytest's parser and keeps what it is given."""

    def __init__(self) -> None:
        self.options: list[str] = []
        self.attributes: list[str] = []
        self.keys: list[str] = []

    def getgroup(self, name: str, *_: object) -> Names:
        return self

    def addoption(self, *names: str, **settings: object) -> None:
        self.options += names
        self.attributes.append(str(settings.get("dest", names[0].lstrip("-").replace("-", "_"))))

    def addini(self, name: str, *_: object, **__: object) -> None:
        self.keys.append(name)


def test_every_name_that_the_plugin_takes_begins_with_droppath() -> None:
    names = Names()
    pytest_plugin.pytest_addoption(names)  # type: ignore[arg-type]
    assert "--droppath-device" in names.options
    assert all(option.startswith("--droppath") for option in names.options)
    assert all(name.startswith("droppath_") for name in names.attributes)
    assert len(set(names.attributes)) == len(names.options)
    assert all(key.startswith("droppath") for key in names.keys)


def test_the_plugin_brings_no_fixture_and_no_marker(session: Session) -> None:
    status, out = session("--fixtures", "--markers", "-v")
    assert status == 0
    assert "droppath" not in out.lower()


def test_a_conftest_has_options_and_keys_of_the_usual_names_for_itself(session: Session) -> None:
    mine = ("device", "devices", "effort", "seed", "only", "skip", "spec", "import", "budget")
    conftest = "def pytest_addoption(parser):\n" + "".join(
        f"    parser.addoption('--{name}')\n    parser.addini('{name}', 'mine')\n" for name in mine
    )
    test = "def test_device(request):\n    assert request.config.getoption('--device') == 'mine'\n"
    status, out = session("--device", "mine", conftest=conftest, test_mine=test)
    assert (status, "1 passed" in out) == (0, True), out


@pytest.mark.parametrize("filters", ["error", "error::UserWarning"])
def test_a_filter_for_all_warnings_alike_fails_no_broken_should(filters: str, session: Session) -> None:
    status, out = session("-W", filters, ini=f"filterwarnings = {filters}", test_layer=WARNS)
    assert (status, "1 passed, 1 warning" in out) == (0, True), out
    assert f"DropPathWarning: {SHOULD} bad-probability: fail (SHOULD)" in out
    assert "observed   -0.1 is accepted" in out


def test_a_filter_that_names_the_warning_makes_it_a_failure(session: Session) -> None:
    filters = "filterwarnings =\n    error::droppath_audit.DropPathWarning\n    error"
    status, out = session(ini=filters, test_layer=WARNS)
    assert (status, "1 failed" in out) == (1, True), out
    assert f"{SHOULD} bad-probability: fail (SHOULD)\n  promised" in out
    assert "Traceback" not in out


def test_a_filter_that_ignores_the_warning_is_heeded(session: Session) -> None:
    status, out = session("-W", "ignore::droppath_audit.DropPathWarning", test_layer=WARNS)
    assert (status, "1 passed in" in out) == (0, True), out


def test_a_user_warning_is_what_the_class_is() -> None:
    assert issubclass(DropPathWarning, UserWarning)


def test_strict_makes_a_broken_should_a_failure(session: Session) -> None:
    status, out = session("--droppath-strict", test_layer=WARNS)
    assert (status, "1 failed" in out) == (1, True), out


def test_a_call_has_settings_of_its_own_and_the_rest_from_the_session(session: Session) -> None:
    lines = [
        "from droppath_audit import conformance",
        "P = dict(only=('DP007', 'DP301'), skip=('DP301[cpu-float64]', '*16]'))",
        f"test_as_asked = conformance({LENIENT!r}, **P)",
        f"test_lenient = conformance({LENIENT!r}, strict=False, effort='quick', **P)",
    ]
    status, out = session("--droppath-strict", "--droppath-effort", "thorough", "-v", test_layer="\n".join(lines))
    assert status == 1
    ended = dict(re.findall(r"::(test_\w+::\S+) (PASSED|FAILED)", out))
    assert ended == {
        f"test_as_asked::{SHOULD}": "FAILED",
        f"test_as_asked::{MUST}": "PASSED",
        f"test_lenient::{SHOULD}": "PASSED",
        f"test_lenient::{MUST}": "PASSED",
    }
    reproduced = re.findall(r"reproduce  .*", out)
    assert [line for line in reproduced if "--effort thorough --strict" in line] == reproduced[:1]
    assert [line for line in reproduced if "--effort quick" in line] == reproduced[1:]
    assert len(reproduced) == 2


SESSION = Settings(effort="thorough", seed=7, budget=1e-3, strict=True)


def test_what_a_call_does_not_say_is_the_sessions() -> None:
    assert conformance(SOUND).settings(SESSION) == SESSION
    own = conformance(SOUND, only=("DP1xx",), skip=("DP101",), effort="quick", strict=False).settings(SESSION)
    assert own == Settings("quick", 7, 1e-3, False, ("DP1xx",), ("DP101",))


def test_an_effort_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        conformance(SOUND, effort="quik").settings(SESSION)


COUNTS = "with open('loads', 'a') as file:\n    file.write('x')\nraise ImportError('broken')\n"

UNUSABLE = {
    "effort='quik'": "There is no effort 'quik'",
    "only=('DP31',)": "No trial of this audit matches 'DP31'",
}


@pytest.mark.parametrize("argument", UNUSABLE)
def test_a_slip_in_a_call_is_one_sentence_of_its_collection(argument: str, session: Session) -> None:
    text = f"from droppath_audit import conformance\ntest_layer = conformance({SOUND!r}, {argument})\n"
    status, out = session(test_layer=text)
    assert status == 2
    assert out.count(UNUSABLE[argument]) == 1
    assert "pytest_plugin.py" not in out


def test_a_call_without_a_target_in_a_session_without_one_is_no_silent_nothing(session: Session) -> None:
    status, out = session(test_layer="from droppath_audit import conformance\ntest_layer = conformance()\n")
    assert status == 2
    assert "runs the targets of the session, and there are none" in out


def test_a_target_that_cannot_be_loaded_is_loaded_once_and_named_by_every_collection(
    session: Session, tmp_path: Path
) -> None:
    call = "from droppath_audit import conformance\ntest_one = conformance('counts.py:drop')\n"
    both = f"{call}test_two = conformance('counts.py:drop', only=('DP301',))\n"
    status, out = session(test_a=both, test_b=call, counts=COUNTS)
    assert status == 2
    assert (tmp_path / "loads").read_text() == "x"
    assert out.count("ImportError: broken") == 3
    assert "3 errors" in out
    assert "closed file" not in out


@pytest.mark.parametrize("words", [("--droppath", "counts.py:drop"), ()], ids=["option", "ini"])
def test_a_target_of_the_session_that_cannot_be_loaded_ends_it_in_one_sentence(
    words: tuple[str, ...], session: Session, tmp_path: Path
) -> None:
    ini = "" if words else "droppath = counts.py:drop"
    status, out = session(*words, ini=ini, counts=COUNTS, test_other="def test_other():\n    pass\n")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert (tmp_path / "loads").read_text() == "x"
    assert len(re.findall(r"^ERROR: counts.py:drop: .*ImportError: broken", out, re.MULTILINE)) == 1
    assert "Traceback" not in out


def test_it_does_so_in_parallel_as_well(session: Session) -> None:
    pytest.importorskip("xdist")
    words = ("-p", "xdist", "-n", "1", "--droppath", "no_such_package:DropPath")
    status, out = session(*words, test_other="def test_other():\n    pass\n")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert len(re.findall("There is no module 'no_such_package'", out)) == 1
    assert "INTERNALERROR" not in out


RAISES = r"""
def drop(x, drop_prob, training):
    if drop_prob == 1.0:
        raise OSError('\x1b[2J \x9b \u202e')
    return x
"""


def test_no_text_of_a_target_reaches_the_terminal_with_its_control_characters(session: Session, tmp_path: Path) -> None:
    spec = f"{tmp_path}/layer.py:drop"
    tests = f"from droppath_audit import conformance\ntest_it = conformance({spec!r}, only=({MUST!r},))\n"
    status, out = session("-v", layer=RAISES, test_layer=tests)
    assert status == 1
    assert r"raised OSError: \x1b[2J \x9b \u202e" in out
    assert not re.search(r"[\x1b\x9b\u202e]", out)
