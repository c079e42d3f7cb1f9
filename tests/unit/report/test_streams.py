from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOTS = os.pathsep.join(sys.path)
ONE = ("--effort", "quick", "--only", "DP301[cpu-float32]", "--no-isolation")
FULL = Path("/dev/full")
BASH = shutil.which("bash") or "bash"


def run(*words: str, within: str) -> tuple[int, str]:
    """Run a command line as ``$@`` within a line of a shell; return the line's status and standard error."""
    command = [sys.executable, "-m", "droppath_audit", *words]
    done = subprocess.run(
        [BASH, "-o", "pipefail", "-c", within, "bash", *command], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ROOTS},
    )  # fmt: skip
    return done.returncode, done.stderr


BROKEN = {
    '"$@" | sleep 0': "Broken pipe",
    '"$@" > /dev/full': "No space left on device",
    '"$@" >&-': "Bad file descriptor",
}


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("shell", BROKEN)
def test_a_stream_that_takes_nothing_ends_in_one_sentence(shell: str) -> None:
    # After the reader has gone, whatever takes how long.
    status, err = run("--help", within=shell.replace('"$@" |', '(sleep 0.3; exec "$@") |'))
    assert (status, err) == (2, f"droppath-audit: standard output cannot be written: {BROKEN[shell]}.\n")


def test_nobody_hears_of_it_and_the_status_is_the_same() -> None:
    assert run("--help", within='(sleep 0.3; exec "$@") 2>&1 | sleep 0') == (2, "")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_the_verdict_is_said_all_the_same_and_files_are_written(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    status, err = run(
        "droppath_audit.mutants.edges:clamps_keep_prob", *ONE, "--json", str(file), within='"$@" > /dev/full'
    )
    assert status == 2
    assert err.splitlines() == [
        "droppath_audit.mutants.edges:clamps_keep_prob: 1 finding",
        "droppath-audit: standard output cannot be written: No space left on device.",
    ]
    assert '"verdict": "fail"' in file.read_text(encoding="utf-8")


def test_a_pipe_that_is_full_for_a_moment_loses_nothing() -> None:
    """A pipe may be set not to block, by whoever else has it."""
    code = (
        "import os, sys\n"
        "from droppath_audit.report.streams import failure, patient_streams\n"
        "os.set_blocking(1, False)\n"
        "with patient_streams():\n"
        "    print('x' * 500_000)\n"
        "    assert not failure(sys.stdout)"
    )
    done = subprocess.run(
        [BASH, "-o", "pipefail", "-c", '"$@" | (sleep 0.3; wc -c)', "bash", sys.executable, "-c", code],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ROOTS},
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", "500001")
