"""Whole commands: a quick and a standard audit of the reference, as their user waits for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SECONDS = {"quick": 6.0, "standard": 20.0}
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def command(*words: str) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "droppath_audit", *words)
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("effort", SECONDS)
def test_an_audit_of_the_reference(benchmark, effort, tmp_path):
    file = tmp_path / "report.json"
    benchmark.pedantic(command, ("--effort", effort, "--json", str(file)), rounds=3)
    report = json.loads(file.read_text())
    benchmark.extra_info["seconds beyond the import"] = round(report["seconds"], 2)
    assert benchmark.stats.stats.min - report["target"]["import_seconds"] <= SECONDS[effort]


def test_help_is_immediate(benchmark):
    benchmark.pedantic(command, ("--help",), rounds=5)
    assert benchmark.stats.stats.min <= 0.3


def test_peak_memory_stays_within_a_gibibyte_of_the_framework():
    def peak(*words: str) -> int:
        """Return the peak resident set, in KiB, of the largest process of a command."""
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        run = [sys.executable, "-c", code, *words]
        return int(subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout)

    bare = peak(sys.executable, "-c", "import torch")
    audited = peak(sys.executable, "-m", "droppath_audit", "--no-isolation")
    assert audited - bare <= 2**20
