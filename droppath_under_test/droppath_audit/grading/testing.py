"""One run of a user's tests, in a fork of a session of pytest that has read its configuration and collected nothing."""

from __future__ import annotations

import pickle
import random
import time
from copy import copy
from functools import partial, wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from droppath_audit.grading.standing import Calls

LONGEST = 200  # characters of what a failed test says
# What seeds each of the generators, and where that is found.
SEEDING: tuple[tuple[tuple[Any, ...], str], ...] = (
    ((torch, torch.random), "manual_seed"), ((np.random,), "seed"), ((random,), "seed"),
)  # fmt: skip
OURS = "droppath_audit.pytest_plugin"  # whose items audit the target in another process


def seed_all(seed: int) -> None:
    """Seed what tests draw from: torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def run_tests(
    session: pytest.Session, calls: Calls | None, *, left_out: Collection[str], whole: bool
) -> dict[str, Any]:
    """Collect and run the tests of a session, and return what became of them as plain data.

    Args:
        session: A session that has begun.
        calls: What counts calls of the target.
        left_out: Tests that are not run, by their node ids.
        whole: Whether to go on after a test has failed.

    Returns:
        ``passed``, a list of node ids; ``failed``, of each the message; ``draws``, of each the state of the generators
        after it, empty where it has neither drawn nor seeded; ``callers``, those that have called the target;
        ``aside``, those of them with a call that it has answered itself; ``seconds``.
    """
    watching = _Watching(calls, frozenset(left_out))
    session.config.pluginmanager.register(watching)
    if not whole:
        session.config.option.maxfail = 1
    started = time.perf_counter()
    ended = ""
    try:
        session.config.hook.pytest_collection(session=session)
        session.config.hook.pytest_runtestloop(session=session)
    except (session.Failed, session.Interrupted, pytest.exit.Exception, pytest.UsageError) as error:
        ended = str(error)
    return {
        "passed": [test for test in watching.passed if test not in watching.failed],
        "failed": watching.failed or ({"the session": ended} if ended else {}),
        "draws": watching.draws,
        "callers": watching.callers,
        "aside": watching.aside,
        "seconds": time.perf_counter() - started,
    }


class _Watching:
    """What is seen of a run.

    Args:
        calls: What counts calls of the target.
        left_out: Tests that are not run.
    """

    def __init__(self, calls: Calls | None, left_out: frozenset[str]) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}
        self.draws: dict[str, list[str]] = {}
        self.callers: list[str] = []
        self.aside: list[str] = []
        self._calls, self._left_out = calls, left_out
        self._seeded = [0, 0, 0]
        for number, (modules, name) in enumerate(SEEDING):
            function = _noting(getattr(modules[0], name), partial(self._note, number))
            for module in modules:
                setattr(module, name, function)

    def _note(self, number: int) -> None:
        self._seeded[number] += 1

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid not in self._left_out and type(item).__module__ != OURS]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        before, seeded, calls = _states(), [*self._seeded], copy(self._calls)
        said = yield
        after = _states()
        # Not by the states alone: two tests that set one seed and draw as much leave the same.
        changed = [
            old != new or count != now for old, new, count, now in zip(before, after, seeded, self._seeded, strict=True)
        ]
        self.draws[item.nodeid] = [new if other else "" for new, other in zip(after, changed, strict=True)]
        if self._calls is not None and calls is not None:
            self.callers += [item.nodeid] if self._calls.all > calls.all else []
            self.aside += [item.nodeid] if self._calls.aside > calls.aside else []
        return said

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.setdefault(report.nodeid, _message(report))
        elif report.passed and report.when == "call":
            self.passed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.setdefault(report.nodeid, _message(report))


def _noting(function: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def noting(*arguments: Any, **named: Any) -> Any:
        note()
        return function(*arguments, **named)

    return noting


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash is not None else str(report.longrepr or report.outcome)
    lines = said.strip().splitlines() or [""]
    return (lines[0] if crash is not None else lines[-1])[:LONGEST]


def _states() -> list[str]:
    """Return a digest of the state of every generator that ``seed_all`` seeds."""
    said = (
        torch.get_rng_state().numpy().tobytes(),
        pickle.dumps(np.random.get_state()),
        pickle.dumps(random.getstate()),
    )
    return [blake2b(one, digest_size=8).hexdigest() for one in said]
