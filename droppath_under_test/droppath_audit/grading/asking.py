"""The auditor's side of grading: it starts the process in which the tests run, and gathers what comes."""

from __future__ import annotations

import select
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.errors import Interrupted, UsageError
from droppath_audit.core.graded import Described, Fault, Grade, OnTarget, Variant
from droppath_audit.core.version import __version__
from droppath_audit.run.apart import Apart
from droppath_audit.stats.exact import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.interruption import Interruption

LOOK_SECONDS = 0.25  # between two looks whether somebody asked for the end


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes:
        spec: The target.
        tests: Arguments of pytest.
        jobs: Runs at a time.
        seeds: Runs of each sound variant; None for as many as there is time for.
        only: Names of mutants and sound variants, in which * is any text; all where empty.
        timeout: Seconds after which a run is ended; None for ten times what it takes on the target, and ten more.
    """

    spec: str
    tests: tuple[str, ...]
    jobs: int
    seeds: int | None
    only: tuple[str, ...]
    timeout: float | None


def graded(asked: Asked, interruption: Interruption, tell: Callable[[dict[str, Any]], None]) -> Grade:
    """Return the grade of tests.

    Args:
        asked: Which, and how.
        interruption: What ends it early.
        tell: Is given every message as it comes.

    Raises:
        UsageError: If they cannot be graded.
        Interrupted: If it was.
    """
    if find_spec("pytest") is None:
        raise UsageError(f"The tests are run by pytest, which is not installed in this environment ({sys.executable}).")
    started = time.perf_counter()
    folder = tempfile.mkdtemp(prefix="droppath-audit-grade-")
    try:
        apart = Apart("grading.host")
    except OSError as error:
        raise UsageError(f"No process could be started to run the tests: {error.strerror or error}.") from error
    try:
        apart.send(**asdict(asked), folder=folder, path=apart.path)
        found = _gathered(apart, interruption, tell)
    finally:
        apart.close()
        shutil.rmtree(folder, ignore_errors=True)
    grade = Grade(asked.spec, asked.tests, __version__, seconds=time.perf_counter() - started, **found)
    rejected, runs = grade.by_chance
    return replace(grade, interval=binomial_interval(rejected, runs, 1.0 - grade.confidence) if runs else None)


def _gathered(apart: Apart, interruption: Interruption, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the fields of a grade, as they come."""
    found: dict[str, Any] = {"faults": [], "variants": []}
    kinds: dict[str, Any] = {
        "tested": OnTarget, "itself": Variant, "checks": dict[str, Described], "aside": tuple[str, ...],
        "drawing": tuple[str, ...], "seeded": tuple[str, ...], "spent": float,
    }  # fmt: skip
    while True:
        ready = select.select([apart.socket], [], [], LOOK_SECONDS)[0]
        if interruption.told:
            raise Interrupted("interrupted before the tests were graded", interruption.signal)
        for message in apart.available() if ready else ():
            if "refused" in message:
                raise UsageError(message["refused"], message.get("detail", ""))
            if "done" in message:
                for several in ("faults", "variants"):
                    found[several] = tuple(sorted(found[several], key=lambda one: one.name))
                return found
            if "fault" in message:
                found["faults"].append(wire.load(Fault, message["fault"]))
            if "variant" in message:
                found["variants"].append(wire.load(Variant, message["variant"]))
            found |= {name: wire.load(kind, message[name]) for name, kind in kinds.items() if name in message}
            tell(message)
        if apart.ended:
            raise UsageError("The process in which the tests run has ended before they were graded.")
