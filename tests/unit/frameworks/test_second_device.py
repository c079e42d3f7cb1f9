"""The laws hold on a device that nobody wrote them for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

HERE = Path(__file__).parent
FEWEST = 100  # laws that a run of all of them passes


def test_on_a_second_device_of_torch():
    files = [HERE / "second_device_laws.py", *sorted(HERE.glob("test_*_laws.py"))]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.devices.soft",
        "-k",
        "soft",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parents[2])
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= FEWEST
