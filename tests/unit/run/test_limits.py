"""What counts against a limit: processor time of a process and what it started, or waiting where it uses none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from droppath_audit.core.collected import HUNG
from droppath_audit.run import limits
from droppath_audit.run.limits import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processor time is looked up in /proc")

BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
IDLE = "import time; time.sleep(1000)"


def ended(code: str, limit: float) -> tuple[str, str]:
    """Return how and why a watch ends a process that runs this."""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        watch, deadline = Watch(limit, 2**40, process.pid), time.monotonic() + 120
        while not (verdict := watch.verdict())[0] and time.monotonic() < deadline:
            time.sleep(0.02)
        return verdict
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_a_child_computes_counts_for_its_parent_which_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BEATS", 10_000)  # no machine is busy enough for the limit of waiting
    assert ended(BUSY, 0.3) == (HUNG, "no answer within 0.3 seconds of processor time")


def test_who_computes_nothing_is_waited_for_three_times_as_long() -> None:
    assert ended(IDLE, 0.2) == (HUNG, "no answer within 0.6 seconds")
