"""Code to be observed, and what is to be seen of it; run as a script, by an interpreter that has no more than this."""

from __future__ import annotations

import sys

from droppath_audit.probes.conditions import Conditions
from droppath_audit.probes.observing import SEES_BRANCHES, observed


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


# Functions, the arguments of calls, and by line and truth value which ways these take.
CASES = (
    (branchy, [(0, False)], {(1, True): 0, (1, False): 1, (3, True): 0, (3, False): 1, (7, True): 0, (7, False): 1,
                  (9, None): 0, (11, True): 0, (11, False): 1}),
    (branchy, [(5, True)], {(1, True): 1, (1, False): 0, (3, True): 0, (3, False): 0, (7, True): 1, (7, False): 1,
                  (9, None): 1, (11, True): 1, (11, False): 0}),
    (branchy, [(5, False), (-1, True)], {(1, True): 0, (1, False): 1, (3, True): 1, (3, False): 1, (7, True): 1,
                         (7, False): 1, (9, None): 1, (11, True): 1, (11, False): 1}),
    (ends_in_a_condition, [(1,)], {(1, True): 1, (1, False): 0, (3, True): 0, (3, False): 1}),
    (ends_in_a_condition, [(0,)], {(1, True): 0, (1, False): 1, (3, True): 1, (3, False): 0}),
    (in_a_loop, [(0,)], {(1, None): 1, (2, True): 0, (2, False): 1, (4, True): 0, (4, False): 1}),
    (in_a_loop, [(9,)], {(1, None): 1, (2, True): 1, (2, False): 0, (4, True): 0, (4, False): 0}),
    (raises_in_its_condition, [(0,)], {(2, True): 0, (2, False): 0, (4, None): 1}),
    (raises_in_its_condition, [(1,)], {(2, True): 1, (2, False): 0, (4, None): 0}),
    (matches, [(1,)], {(2, None): 1, (4, None): 0}),
    (matches, [([1, 2],)], {(2, None): 0, (4, None): 1}),
    (is_left_from_inside, [(5,)], {(1, True): 1, (1, False): 0, (3, True): 1, (3, False): 1}),
    (over_lines, [(5,)], {(1, True): 1, (1, False): 0}),
    (over_lines, [(0,)], {(1, True): 0, (1, False): 1}),
    (with_one_inside, [(1,)], {(2, True): 1, (2, False): 0}),
)  # fmt: skip
IN_ONE_LINE = (
    ([(0, 0)], {(1, True): 0, (1, False): 1, (2, True): 0, (2, False): 1, (3, True): 1, (3, False): 0}),
    ([(0, 1), (1, 0)], {(1, True): 1, (1, False): 1, (2, True): 1, (2, False): 0, (3, True): 0, (3, False): 1}),
)


def wrong():
    """Return the cases of which this interpreter tells something else."""
    cases = [*CASES, *((in_one_line, calls, ways if SEES_BRANCHES else {}) for calls, ways in IN_ONE_LINE)]
    return [(function.__name__, calls) for function, calls, ways in cases if taken(function, *calls) != ways]


if __name__ == "__main__":
    sys.exit(str(wrong()) if wrong() else 0)
