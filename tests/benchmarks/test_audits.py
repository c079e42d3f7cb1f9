"""Whole commands: audits of the reference and its plan, as their user waits for them.

The bars hold for two otherwise idle cores. Those of audits are multiples of U, the time in which one thread of this
machine makes 10^8 decisions with timm's rule and counts them (``tools.timing``), measured in turn with the audits; the
import of the framework is in all of them. ``docs/speed.md`` says where the time goes.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools.timing import unit

UNITS = {"quick": 5.0, "standard": 14.0}
PLAN_SECONDS = 2.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def command(*words: str) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "droppath_audit", *words)
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("effort", UNITS)
def test_an_audit_of_the_reference(benchmark, effort):
    units: list[float] = []
    benchmark.pedantic(command, ("--effort", effort), setup=lambda: units.append(unit()), rounds=3)
    ratio = benchmark.stats.stats.min / min(units)
    benchmark.extra_info["U, in seconds"] = round(min(units), 2)
    benchmark.extra_info["in U"] = round(ratio, 1)
    assert ratio <= UNITS[effort]


def test_a_plan_takes_hardly_longer_than_the_import_of_the_framework(benchmark):
    benchmark.pedantic(command, ("--plan",), rounds=5)
    assert benchmark.stats.stats.min <= PLAN_SECONDS


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
