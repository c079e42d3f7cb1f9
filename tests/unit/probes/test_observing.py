"""What ran: lines, and the ways of conditions, by the means that this interpreter has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import droppath_audit
from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.conditions import Conditions
from droppath_audit.probes.observing import SEES_BRANCHES, TOOLS, observed

FILE = Path(__file__).with_name("observed_code.py")
CODE = module_from_spec(spec_from_file_location("observed_code", FILE))
CODE.__spec__.loader.exec_module(CODE)
branchy, ends_in_a_condition, taken = CODE.branchy, CODE.ends_in_a_condition, CODE.taken
OTHERS = sorted(
    {
        str(path)
        for path in (
            *(shutil.which(f"python3.{minor}") or "" for minor in range(10, 20)),
            *Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.1[0-9]*/bin/python"),
        )
        if path and "shims" not in Path(path).parts  # which choose among those that are named below
    }
)


@pytest.mark.parametrize(("function", "calls", "ways"), CODE.CASES)
def test_every_way_of_a_condition_is_told_from_the_other(function, calls, ways):
    assert taken(function, *calls) == {way: bool(was) for way, was in ways.items()}


@pytest.mark.parametrize(("calls", "ways"), CODE.IN_ONE_LINE)
def test_what_decides_within_a_line_is_seen_where_the_interpreter_tells_of_branches(calls, ways):
    assert taken(CODE.in_one_line, *calls) == ({way: bool(was) for way, was in ways.items()} if SEES_BRANCHES else {})


@pytest.mark.parametrize("interpreter", OTHERS)
def test_every_interpreter_that_is_here_tells_the_same(interpreter):
    """None of them needs more than itself."""
    path = str(Path(droppath_audit.__file__).parents[1])
    command = [interpreter, "-S", str(FILE)]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_threads_are_observed_and_nothing_is_afterwards():
    before = sys.gettrace(), threading.gettrace()
    conditions = Conditions((ends_in_a_condition,), {})
    with observed(conditions.codes) as ran:
        thread = threading.Thread(target=ends_in_a_condition, args=(1,))
        thread.start()
        thread.join()
    assert (sys.gettrace(), threading.gettrace()) == before
    seen = len(ran[ends_in_a_condition.__code__].lines)
    assert seen
    ends_in_a_condition(0)
    assert len(ran[ends_in_a_condition.__code__].lines) == seen


def test_code_that_was_observed_before_is_observed_again():
    assert taken(ends_in_a_condition, (1,)) == taken(ends_in_a_condition, (1,))


@pytest.mark.skipif(SEES_BRANCHES, reason="a trace function is in nobody's way there")
def test_another_tracer_is_left_alone():
    sys.settrace(lambda *_: None)
    try:
        with pytest.raises(NotApplicable, match="another tool"), observed([branchy.__code__]):
            pass
        assert sys.gettrace() is not None
    finally:
        sys.settrace(None)


@pytest.mark.skipif(not SEES_BRANCHES, reason="before Python 3.12 there are no such identifiers")
def test_other_tools_are_left_alone():
    for tool in TOOLS:
        sys.monitoring.use_tool_id(tool, "another")
    try:
        with pytest.raises(NotApplicable, match="other tools"), observed([branchy.__code__]):
            pass
        assert all(sys.monitoring.get_tool(tool) == "another" for tool in TOOLS)
    finally:
        for tool in TOOLS:
            sys.monitoring.free_tool_id(tool)
    assert all(sys.monitoring.get_tool(tool) is None for tool in TOOLS)


def test_what_has_no_source_is_not_applicable():
    names: dict[str, object] = {}
    exec("def texted(x):\n    return x\n", names)  # noqa: S102
    for functions, said in (((names["texted"],), "no source"), ((), "no code in Python")):
        with pytest.raises(NotApplicable, match=said):
            Conditions(functions, {})
