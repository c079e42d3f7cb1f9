"""Ranks that die or stall: the run ends with what there is, and with a status that says so; it never hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what isolation promises is promised on Linux")

CERTIFY = ("certify", "--dtype", "float32", "--drop-prob", "0.1", "--resolve", "0.00001", "--rank-timeout", "3s")
AUDIT = ("--effort", "quick", "--jobs", "1", "--only", "DP3xx", "--only", "DP004")
ENDS = (signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.selftest))
LONG = 120.0  # seconds that nothing here takes on a machine that is not busy


@pytest.fixture
def ranks(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., list[subprocess.Popen[bytes]]]]:
    """Return what starts a command line as two ranks, rank 0 serving the store; they are ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> list[subprocess.Popen[bytes]]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        for rank in ("0", "1"):
            said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            with (tmp_path / f"{rank}.txt").open("wb") as output:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "droppath_audit", *words],
                        env={**environment, **said, "MASTER_ADDR": "localhost", "MASTER_PORT": port},
                        stdout=output,
                        stderr=output,
                    )
                )
        return started

    yield start
    for process in started:
        process.kill()
        process.wait()


def counted(file: Path) -> int:
    return sum(cell["decisions"] for cell in json.loads(file.read_text())["cells"]) if file.exists() else 0


def await_counts(file: Path, decisions: int) -> None:
    deadline = time.monotonic() + LONG
    while counted(file) < decisions:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("by", ENDS, ids=lambda by: by.name)
def test_without_rank_1_what_was_certified_is_reported_and_continued(
    ranks: Callable[..., list[subprocess.Popen[bytes]]], by: signal.Signals, tmp_path: Path
) -> None:
    file, report = tmp_path / "counts.json", tmp_path / "report.json"
    lead, other = ranks(*CERTIFY, "--resume", str(file), "--json", str(report))
    await_counts(file, 2**22)  # both had a turn
    other.send_signal(by)
    assert lead.wait(LONG) == 3
    told = json.loads(report.read_text())
    assert told["exit_status"] == 3
    assert told["ranks"] == 2
    assert "rank 1 of 2 gave no sign of life" in told["incomplete"]
    assert sum(cell["decisions"] for cell in told["cells"]) == counted(file) >= 2**22
    assert "Ended early: rank 1 of 2" in (tmp_path / "0.txt").read_text()
    # One process goes on from there, by the same rule.
    words = ["certify", "--resume", str(file), "--time-limit", "0s"]
    assert subprocess.run([sys.executable, "-m", "droppath_audit", *words], stdout=subprocess.DEVNULL).returncode == 3


@pytest.mark.parametrize("by", ENDS, ids=lambda by: by.name)
def test_without_rank_0_the_other_ends_and_says_why(
    ranks: Callable[..., list[subprocess.Popen[bytes]]], by: signal.Signals, tmp_path: Path
) -> None:
    file = tmp_path / "counts.json"
    lead, other = ranks(*CERTIFY, "--resume", str(file))
    await_counts(file, 2**22)
    lead.send_signal(by)
    assert other.wait(LONG) == 2
    said = (tmp_path / "1.txt").read_text()
    assert "rank 0 of 2" in said or "the store of torch.distributed is lost" in said
    assert counted(file) >= 2**22


@pytest.mark.skipif("DROPPATH_EXAMPLES" not in os.environ, reason="torchrun waits half a minute: tox -e nightly")
def test_torchrun_ends_where_a_rank_is_stopped(environment: dict[str, str], tmp_path: Path) -> None:
    """Rank 0 ends with a status that is not 0, whereupon torchrun kills what does not answer."""
    file = tmp_path / "counts.json"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    with (tmp_path / "said.txt").open("wb") as output:
        run = subprocess.Popen(
            [*launcher, "-m", "droppath_audit", *CERTIFY, "--resume", str(file)],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        await_counts(file, 2**22)
        (second,) = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_rank_1(entry, run.pid)]
        os.kill(int(second.name), signal.SIGSTOP)
        assert run.wait(LONG) == 1
    finally:
        run.kill()
        run.wait()
    said = (tmp_path / "said.txt").read_text()
    assert "Ended early: rank 1 of 2" in said
    assert "exitcode  : 3" in said
    assert not second.exists()


def _is_rank_1(process: Path, launcher: int) -> bool:
    """Return whether a process is rank 1 itself, which the launcher started."""
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return parent == launcher and b"RANK=1" in variables


def test_two_ranks_give_the_report_of_one_process(
    ranks: Callable[..., list[subprocess.Popen[bytes]]],
    command: Callable[..., subprocess.Popen[bytes]],
    timeless: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    assert command(*AUDIT, "--json", str(one)).wait(LONG) == 0
    assert [process.wait(LONG) for process in ranks(*AUDIT, "--json", str(two))] == [0, 0]
    assert timeless(json.loads(two.read_text())) == timeless(json.loads(one.read_text()))
    assert not (tmp_path / "1.txt").read_text()
