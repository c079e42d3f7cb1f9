from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="tox -e mutation installs it")

FOLDER = Path(__file__).parents[2] / "mutation"

SCRIPT = f"""
import os, sys
sys.path.insert(0, {str(FOLDER)!r})
import run
os.chdir(run.ROOT)
(source,) = run._selected("stats/mean.py")
(long,) = source.stages[-1]
original = run.Mutant("original", 0, source.file.read_text(encoding="utf-8"))
broken = run.Mutant("broken", 0, original.source + "\\n\\ndef weighted_mean_test(*values): return None\\n")
assert "calibration" in long, long
print(repr(run._fails(source, original, (long,), 60.0)), repr(run._fails(source, broken, (long,), 60.0)))
"""


def test_long_tests_run_and_notice_a_mutant():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["''", "'failed'"], done.stdout + done.stderr
