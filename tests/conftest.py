"""What several folders of tests need."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.facts import Facts
from droppath_audit.frameworks.capabilities import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMES = {"seconds", "import_seconds", "started"}

# The suite is a gate: the same code gets the same examples, however slow the machine. New ones are looked for nightly.
settings.register_profile("gate", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, database=None)
settings.load_profile("search" if "DROPPATH_EXAMPLES" in os.environ else "gate")


@pytest.fixture(autouse=True)
def own_path() -> Iterator[None]:
    """Give each test the path that it began with: a target loaded here adds its folder, and tests name files alike."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture(autouse=True)
def own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print as wide as a log is, whatever the terminal is that the tests are run from."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def facts() -> Facts:
    """Facts of a target that nobody loaded."""
    return Facts(
        spec="package.module:Name",
        kind="class",
        origin="module.py:1",
        package="",
        arguments="drop_prob",
        dialect=Dialect(),
        framework="torch",
        framework_version="0",
        devices={"cpu": ("float64", "float32", "float16", "bfloat16")},
        capabilities=tuple(kind.__name__ for kind in capabilities()),
    )


@pytest.fixture(scope="session")
def timeless() -> Callable[[Any], Any]:
    """Return what takes away from a report, as JSON, all that a clock measured."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(held) for name, held in value.items() if name not in TIMES}
        return [without(held) for held in value] if isinstance(value, list) else value

    return without


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[str], str]:
    """Return what runs a script here and says how it ended; what it leaves behind is put back for those that follow."""
    from droppath_audit.frameworks.process_state import ProcessState
    from droppath_audit.frameworks.torch.operations import TorchFramework

    def outcome(script: str) -> str:
        state, names = ProcessState.taken(TorchFramework()), {"__name__": "script", "print": lambda *_, **__: None}
        try:
            exec(compile(script, "<script>", "exec"), names)  # noqa: S102
        except AssertionError:
            return "fails"
        except Exception as error:
            return f"raises {type(error).__name__}"
        finally:
            state.restore()
        return "holds"

    return outcome


@pytest.fixture
def mark() -> Iterator[str]:
    """Give a name for the environment of processes, and see that in the end none is left that carries it."""
    name = f"DROPPATH_TEST_{os.getpid()}_{time.monotonic_ns()}"
    yield name
    deadline = time.monotonic() + 10
    while (found := _marked(name)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found == []


def _marked(name: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and name.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
