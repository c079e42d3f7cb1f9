"""What a tree of processes uses, whether or not there is a child in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from droppath_audit.run import processes

if TYPE_CHECKING:
    from collections.abc import Callable

WAITS = "import sys; print(flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAITS!r}])"

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="nothing is known of a tree here")


@pytest.mark.parametrize(("code", "number"), [(WAITS, 1), (PARENT, 2)], ids=["alone", "with a child"])
def test_what_a_tree_uses_is_what_each_of_its_processes_uses(code: str, number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the innermost one stands
        below = processes.descendants(process.pid)
        own = [processes.usage(pid, tree=False) for pid in (process.pid, *below)]
        found = processes.usage(process.pid)
        process.communicate(b"")
    assert len(own) == number
    assert found is not None
    assert found.resident == sum(one.resident for one in own if one is not None)


def test_a_process_without_children_is_not_looked_for_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        pytest.skip("the kernel does not say")
    looked: list[int] = []
    descendants: Callable[[int], list[int]] = processes.descendants
    monkeypatch.setattr(processes, "descendants", lambda pid: looked.append(pid) or descendants(pid))
    with subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        processes.usage(process.pid)
        process.communicate(b"")
    assert looked == []
