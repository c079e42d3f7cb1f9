"""The targets under test, and the trials of a family of promises as parameters.

``--droppath SPEC`` (repeatable) or ``DROPPATH_UNDER_TEST`` (SPECs separated by spaces) names the implementations; the
reference otherwise. ``--droppath-device`` chooses where.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.case import EAGER, on_the_cpu
from droppath_audit.core.effort import EFFORTS
from droppath_audit.pytest_plugin import enforce, session_of, targets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.trial import Trial

REFERENCE = "droppath_reference:DropPath"
QUICK = EFFORTS["quick"]


def targets(config: pytest.Config) -> tuple[str, ...]:
    return targets_of(config) or tuple(os.environ.get("DROPPATH_UNDER_TEST", REFERENCE).split())


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Load the targets before any module asks for them: what cannot be loaded ends the session in one sentence."""
    for spec in targets(session.config):
        session_of(session.config).facts(spec)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trial" not in metafunc.fixturenames:
        return
    session = session_of(metafunc.config)
    specs = targets(metafunc.config)
    sentences = {check: re.sub(r"\W+", "_", sentence) for check, sentence in metafunc.cls.PROMISES}
    try:
        asked = [session.facts(spec).variants.get(name, ()) for spec in specs for name in session.settings.variants]
        ways = {EAGER}.union(*asked)
        only = [one for one in sentences if not catalogue()[one].benchmark or session.settings.benchmark]
        if all(map(on_the_cpu, session.devices)):
            only = [one for one in only if not catalogue()[one].away]
        only = [one for one in only if ways & {case.variant for case in catalogue()[one].cases("cpu", QUICK)}]
        settings = replace(session.settings, only=tuple(only))
        cases = [(spec, trial) for spec in specs for trial in session.trials(spec, settings)]
    except pytest.UsageError as error:  # which pytest would show with its traceback
        raise pytest.Collector.CollectError(str(error)) from None
    names = [trial.id if len(specs) == 1 else f"{spec} {trial.id}" for spec, trial in cases]
    ids = [f"{sentences[trial.check]}-{name}" for (_, trial), name in zip(cases, names, strict=True)]
    metafunc.parametrize(("spec", "trial"), cases, ids=ids)


@pytest.fixture
def hold(request: pytest.FixtureRequest) -> Callable[[str, Trial], None]:
    """Run a trial of a target; fail where its MUST is broken, skip where it does not apply."""
    session = session_of(request.config)

    def run(spec: str, trial: Trial) -> None:
        enforce(session.run(spec, trial, session.settings), strict=session.settings.strict)

    return run
