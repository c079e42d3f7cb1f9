"""The known implementations of one environment, each audited once.

``--zoo NAME`` names the environment (``timm`` or ``zoo-timm``; ``samples`` for what this package brings itself). The
packages must be installed: what is missing fails, it is not skipped. ``DROPPATH_REPORTS`` names a folder in which the
JSON reports are left, from which ``tools.audits`` writes its page. ``--zoo models`` audits whole models instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from droppath_audit.targets.known import known_systems


class Audited(NamedTuple):
    """One audit: the exit status of the command, what it printed, and its JSON report."""

    status: int
    output: str
    report: dict[str, Any]


def pytest_addoption(parser):
    parser.addoption("--zoo", required=True, metavar="NAME", help="environment whose packages are audited")


def zoo(config):
    return config.getoption("--zoo").removeprefix("zoo-")


def pytest_ignore_collect(collection_path, config):
    """Of the tests of layers and those of models, those of the other kind are not asked for."""
    if collection_path.suffix == ".py" and (collection_path.name == "test_models.py") != (zoo(config) == "models"):
        return True
    return None


def systems(config):
    environment = zoo(config)
    found = [system for system in known_systems().values() if (system.environment or "samples") == environment]
    if not found:
        raise pytest.UsageError(f"no known implementation is audited in the environment {environment!r}")
    return found


def pytest_generate_tests(metafunc):
    if "known" in metafunc.fixturenames:
        found = systems(metafunc.config)
        metafunc.parametrize("known", found, ids=[system.name for system in found], scope="session")


@pytest.fixture(scope="session")
def audited(known, tmp_path_factory):
    return audit([known.name], known.name, tmp_path_factory)


def audit(words, name, tmp_path_factory):
    """Run the command in a process of its own, and leave its report under a name."""
    kept = os.environ.get("DROPPATH_REPORTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("reports")
    file = folder / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-m", "droppath_audit", *words, "--json", str(file)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert file.exists(), run.stderr
    return Audited(run.returncode, run.stdout, json.loads(file.read_text())["reports"][0])
