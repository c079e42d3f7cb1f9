"""Two ranks draw nearly twice as fast as one process, on two processors.

Both draw the same certificates in turn, each for some seconds; the best of some rounds count, as whatever else runs on
the machine slows two more than one. Prints what was measured: ``pytest -s``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from droppath_audit.run.processes import cores

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ("certify", "--dtype", "float32", "--resolve", "0.000001", "--time-limit", "10s")
ROUNDS = 3


def decisions_a_second(ranks: int, report: Path) -> float:
    """Return the rate of the drawing phase, all chunks that count over the time until the last was counted."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    said = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "droppath_audit", *WORDS, "--json", str(report)],
            env={**os.environ, **said, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
        )
        for rank in range(ranks)
    ]
    assert [process.wait() for process in started] == [3] + [0] * (ranks - 1)
    told = json.loads(report.read_text())
    return sum(cell["decisions"] for cell in told["cells"]) / told["seconds"]


@pytest.mark.skipif(cores() < 2, reason="two ranks need two processors")
def test_two_ranks_draw_at_1_7_times_the_rate_of_one(tmp_path: Path) -> None:
    pairs = [
        (decisions_a_second(1, tmp_path / "one.json"), decisions_a_second(2, tmp_path / "two.json"))
        for _ in range(ROUNDS)
    ]
    for one, two in pairs:
        print(f"\n{one:.4g} and {two:.4g} decisions a second: {two / one:.2f}", end="")  # noqa: T201
    assert max(two for _, two in pairs) >= 1.7 * max(one for one, _ in pairs)
