"""The known implementations of one environment, each audited once.

``--zoo NAME`` names the environment (``timm`` or ``zoo-timm``; ``samples`` for what this package brings itself). The
packages must be installed: what is missing fails, it is not skipped. ``DROPPATH_REPORTS`` names a folder in which the
JSON reports are left, from which ``tools.audits`` writes its page.
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


def systems(config):
    environment = config.getoption("--zoo").removeprefix("zoo-")
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
    kept = os.environ.get("DROPPATH_REPORTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("reports")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{known.name}.json"
    file.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-m", "droppath_audit", known.name, "--json", str(file)]
    run = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert file.exists(), run.stderr
    return Audited(run.returncode, run.stdout, json.loads(file.read_text())["reports"][0])
