"""What ran: lines, and the ways of conditions, by the means that this interpreter has."""

from __future__ import annotations

import sys
import threading

import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.conditions import Conditions
from droppath_audit.probes.observing import SEES_BRANCHES, TOOLS, observed


def branchy(x, flag):
    if x > 3 and flag:
        y = 1
    elif x < 0:
        y = 2
    else:
        y = 3
    while y < x:
        y += 3
    for _ in range(x):
        y += 1
    if flag:
        y = 0
    return y


def ends_in_a_condition(x):
    if x:
        x = 1
    if not x:
        x = 2


def in_a_loop(x):
    for part in range(3):
        if part < x:
            continue
        if part > 90:
            break


# fmt: off
def in_one_line(x, y):
    if x: return 1  # noqa: E701
    z = 2 if x or y else 3
    return 4 if not y else z
# fmt: on


def raises_in_its_condition(x):
    try:
        if 1 / x:
            return 1
    except ZeroDivisionError:
        return 2
    return 3


def matches(x):
    match x:
        case 1:
            return 1
        case [_, y] if y:
            return 2
    return 3


def is_left_from_inside(x, flag=True):
    while x and flag:
        x -= 1
        if x == 2:
            return x
    return 0


# fmt: off
def over_lines(x, flag=True):
    if (x > 3
            and flag):
        return 1
    return 2
# fmt: on


def with_one_inside(x):
    def inner(y):
        if y:
            return 1
        return 2

    return inner(x)


def taken(function, *calls):
    """Return by line, and by truth value where one decides, which ways of a function were taken in some calls."""
    conditions = Conditions((function,), {})
    with observed(conditions.codes) as ran:
        for arguments in calls:
            function(*arguments)
    found = {
        (one.way.line - function.__code__.co_firstlineno, one.way.wanted): one.taken(ran) for one in conditions.ways
    }
    assert len(found) == len(conditions.ways)
    return found


@pytest.mark.parametrize(
    ("calls", "ways"),
    [
        ([(0, False)], {(1, True): 0, (1, False): 1, (3, True): 0, (3, False): 1, (7, True): 0, (7, False): 1,
                        (9, None): 0, (11, True): 0, (11, False): 1}),
        ([(5, True)], {(1, True): 1, (1, False): 0, (3, True): 0, (3, False): 0, (7, True): 1, (7, False): 1,
                       (9, None): 1, (11, True): 1, (11, False): 0}),
        ([(5, False), (-1, True)], {(1, True): 0, (1, False): 1, (3, True): 1, (3, False): 1, (7, True): 1,
                                    (7, False): 1, (9, None): 1, (11, True): 1, (11, False): 1}),
    ],
)  # fmt: skip
def test_every_way_of_a_condition_is_told_from_the_other(calls, ways):
    assert taken(branchy, *calls) == {way: bool(was) for way, was in ways.items()}


@pytest.mark.parametrize(
    ("function", "argument", "ways"),
    [
        (ends_in_a_condition, 1, {(1, True): 1, (1, False): 0, (3, True): 0, (3, False): 1}),
        (ends_in_a_condition, 0, {(1, True): 0, (1, False): 1, (3, True): 1, (3, False): 0}),
        (in_a_loop, 0, {(1, None): 1, (2, True): 0, (2, False): 1, (4, True): 0, (4, False): 1}),
        (in_a_loop, 9, {(1, None): 1, (2, True): 1, (2, False): 0, (4, True): 0, (4, False): 0}),
        (raises_in_its_condition, 0, {(2, True): 0, (2, False): 0, (4, None): 1}),
        (raises_in_its_condition, 1, {(2, True): 1, (2, False): 0, (4, None): 0}),
        (matches, 1, {(2, None): 1, (4, None): 0}),
        (matches, [1, 2], {(2, None): 0, (4, None): 1}),
        (is_left_from_inside, 5, {(1, True): 1, (1, False): 0, (3, True): 1, (3, False): 1}),
        (over_lines, 5, {(1, True): 1, (1, False): 0}),
        (over_lines, 0, {(1, True): 0, (1, False): 1}),
        (with_one_inside, 1, {(2, True): 1, (2, False): 0}),
    ],
)
def test_ends_loops_and_what_raises_are_no_ways_of_another_condition(function, argument, ways):
    assert taken(function, (argument,)) == {way: bool(was) for way, was in ways.items()}


def test_what_decides_within_a_line_is_seen_where_the_interpreter_tells_of_branches():
    if not SEES_BRANCHES:
        assert taken(in_one_line, (0, 0)) == {}
        return
    first, second = taken(in_one_line, (0, 0)), taken(in_one_line, (0, 1), (1, 0))
    assert first == {(1, True): False, (1, False): True, (2, True): False, (2, False): True, (3, True): True,
                     (3, False): False}  # fmt: skip
    assert second == {(1, True): True, (1, False): True, (2, True): True, (2, False): False, (3, True): False,
                      (3, False): True}  # fmt: skip


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
