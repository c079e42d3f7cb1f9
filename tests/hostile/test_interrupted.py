"""An audit that is stopped, interrupted or killed: no verdict is lost or invented, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what isolation promises is promised on Linux")

WORDS = ("--effort", "quick", "--only", "DP301", "--only", "DP304")
SEARCH = "DROPPATH_EXAMPLES" in os.environ  # tox -e nightly
KILLS, SEED = (50, None) if SEARCH else (15, 14)
IN_A_TRIAL = "drop_prob == 1.0 and x.dtype == 'float16' and len(x) == 1"  # in no call that is made before the plan


@pytest.fixture
def read(timeless: Callable[[Any], Any]) -> Callable[[Path], Any]:
    return lambda file: timeless(json.loads(file.read_text(encoding="utf-8")))


def wait_for(file: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_at_random_moments_and_resumed_it_reports_what_it_would_have(
    target: Callable[..., str], command: Command, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    spec, whole, resumed = target("time.sleep(0.002)"), tmp_path / "whole.json", tmp_path / "resumed.json"
    started = time.monotonic()
    assert command(spec, *WORDS, "--json", str(whole)).wait() == 0
    lasts, expected = time.monotonic() - started, read(whole)
    rng, killed, finished, halves = np.random.default_rng(SEED), 0, 0, 0
    resume: tuple[str, ...] = ()
    while killed < KILLS or not finished:
        process = command(spec, *WORDS, "--json", str(resumed), *resume)
        moment = time.monotonic() + rng.uniform(0.0, lasts)
        while process.poll() is None and time.monotonic() < moment and killed < KILLS:
            time.sleep(0.005)
        if process.poll() is None and killed < KILLS:
            process.kill()
            killed += 1
        ended = process.wait()
        (journal,) = (tmp_path / "state" / "droppath-audit").glob("*.jsonl")
        if ended < 0:
            assert not resumed.exists() or read(resumed) == expected  # written whole or not at all
            if killed % 5 == 0:  # a line that was being written
                text = journal.read_bytes()
                journal.write_bytes(text[: int(rng.integers(len(text) // 2, len(text) + 1))])
                halves += 1
            resume = ("--resume",)
            continue
        assert ended == 0
        assert read(resumed) == expected
        resumed.unlink()
        resume, finished = (), finished + 1
    assert (killed, halves) == (KILLS, KILLS // 5)


def test_a_journal_of_another_source_is_not_taken_over(
    target: Callable[..., str], command: Command, tmp_path: Path
) -> None:
    import subprocess

    words = (target(), "--effort", "quick", "--only", "DP301")
    assert command(*words).wait() == 0
    said = command(*words, "--resume", stderr=subprocess.PIPE).communicate()[1]
    assert b"answers of an earlier run are taken over" in said
    target("return x")
    process = command(*words, "--resume", stderr=subprocess.PIPE)
    assert b"nothing to resume: the target, the tool or the versions have changed" in process.communicate()[1]
    assert process.returncode == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_workers_and_writes_what_there_is(
    number: signal.Signals,
    status: int,
    target: Callable[..., str],
    command: Command,
    read: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    flag, file = tmp_path / "running", tmp_path / "report.json"
    late = f"if {IN_A_TRIAL}:\n        open({str(flag)!r}, 'w').close(); time.sleep(1000)"
    process = command(target(late), "--only", "DP301", "--json", str(file))
    wait_for(flag)
    time.sleep(0.5)
    process.send_signal(number)
    assert process.wait() == status
    (report,) = read(file)["reports"]
    assert (report["incomplete"], report["exit_status"]) == (f"interrupted by {number.name}", status)
    assert [result["verdict"] for result in report["results"]] == ["pass", "pass"]
    assert report["counts"]["planned"] == 4


def test_a_signal_while_the_target_is_imported_leaves_nothing_of_it(
    target: Callable[..., str], command: Command, tmp_path: Path
) -> None:
    flag = tmp_path / "importing"
    leaves = "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)"
    process = command(target(at_import=f"{leaves}\nopen({str(flag)!r}, 'w').close(); time.sleep(1000)"))
    wait_for(flag)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143


def test_a_kill_leaves_nothing_of_a_target_that_left_its_session(
    target: Callable[..., str], command: Command, tmp_path: Path
) -> None:
    flag = tmp_path / "running"
    leaves = (
        f"import os\n    if {IN_A_TRIAL}:\n        if os.fork() == 0: os.setsid(); open({str(flag)!r}, 'w').close()\n"
        "        time.sleep(1000)"
    )
    process = command(target(leaves), "--only", "DP301")
    wait_for(flag)
    process.kill()
    process.wait()


def test_an_auditor_that_was_stopped_blames_nobody(
    target: Callable[..., str], command: Command, tmp_path: Path
) -> None:
    flag = tmp_path / "running"
    first = f"{IN_A_TRIAL} and not os.path.exists({str(flag)!r})"
    once = f"import os\n    if {first}: open({str(flag)!r}, 'w').close(); time.sleep(3.6)"
    file = tmp_path / "report.json"
    process = command(target(once), "--only", "DP301", "--trial-timeout", "0.5s", "--jobs", "1", "--json", str(file))
    wait_for(flag)
    process.send_signal(signal.SIGSTOP)
    time.sleep(3.0)  # twice what it would wait, and the trial goes on for a little longer
    process.send_signal(signal.SIGCONT)
    assert process.wait() == 0
    # Nor was the trial stopped, and passed when it was tried again.
    assert not any(
        result.get("note") for result in json.loads(file.read_text(encoding="utf-8"))["reports"][0]["results"]
    )
