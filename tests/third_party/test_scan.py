"""Real packages scanned: every copy of a known layer is in one group, and that group has the known verdict."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from droppath_audit.targets.known import known_systems

COPIES = 44  # classes of transformers 5.23.0 that are called so and are no subclasses of another


@pytest.fixture(scope="module")
def scan(request, tmp_path_factory):
    if request.config.getoption("--zoo").removeprefix("zoo-") != "transformers":
        pytest.skip("scanned in the environment zoo-transformers")
    file = tmp_path_factory.mktemp("scan") / "scan.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-m", "droppath_audit", "scan", "transformers", "--json", str(file)]
    run = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert file.exists(), run.stderr
    return run.returncode, json.loads(file.read_text())


def test_the_copies_are_one_group(scan):
    _, data = scan
    spec = find_spec("transformers")
    folder = Path(spec.submodule_search_locations[0])
    written = sum(
        len(re.findall(r"^class \w*DropPath\(nn\.Module\):", file.read_text(encoding="utf-8"), re.MULTILINE))
        for file in folder.rglob("*.py")
    )
    group = data["groups"][0]
    assert group["copies"] == written == COPIES
    assert all(place["name"].endswith("DropPath") for place in group["places"])
    assert len({place["file"] for place in group["places"]}) == COPIES


def test_they_break_what_the_known_one_is_known_to_break(scan):
    status, data = scan
    group = data["groups"][0]
    known = known_systems()["transformers"]
    every = {entry.check for entry in known.broken}
    assert status == 1
    assert group["verdict"] == "fail"
    # A quick audit sees less than the standard one, to which the known verdicts are held.
    assert {"DP101", "DP301"} <= set(group["broken"]) <= every


def test_what_else_is_found_is_audited_or_refused_with_a_reason(scan):
    _, data = scan
    assert data["skipped"] == []
    assert all(group["report"] is not None or group["refused"] for group in data["groups"])
