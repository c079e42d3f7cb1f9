from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from droppath_audit.core.events import AuditFinished
from droppath_audit.run import engine
from droppath_audit.run.plan import Settings
from droppath_audit.run.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.report import Report
    from droppath_audit.run.limits import Limits

SOUND = """
import ctypes, json, os, random, signal, sys, threading, time
import numpy, torch

class Custom(BaseException):
    pass

def forever():
    while True:
        pass

def deeper():
    return deeper()

{at_import}

def drop_path(x, drop_prob, training):
    if training:
        at = (str(x.dtype).removeprefix("torch."), drop_prob)
{in_training}
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device) < keep_prob
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)
"""


class Audit(Protocol):
    def __call__(self, spec: str, *only: str, seed: int = 0, jobs: int = 1, limits: Limits | None = None) -> Report: ...


@pytest.fixture
def target(tmp_path: Path) -> Callable[..., str]:
    def write(in_training: str = "", at_import: str = "") -> str:
        """Write a sound function that also runs these statements; ``at`` is (dtype, drop_prob)."""
        text = SOUND.format(at_import=at_import, in_training=textwrap.indent(in_training or "pass", 8 * " "))
        file = tmp_path / "target.py"
        file.write_text(text, encoding="utf-8")
        return f"{file}:drop_path"

    return write


@pytest.fixture
def isolated(mark: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Audit]:
    """Audit in a worker, and see that nothing of it is left behind."""
    monkeypatch.setenv(mark, "1")

    def run(spec: str, *only: str, seed: int = 0, jobs: int = 1, limits: Limits | None = None) -> Report:
        with Supervisor(spec, jobs=jobs, limits=limits) as supervisor:
            *_, last = engine.run(supervisor, Settings(effort="quick", only=only, seed=seed))
        assert isinstance(last, AuditFinished)
        return last.report

    yield run
    assert zombies() == []


def zombies() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = process.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(parent) == os.getpid():
            found.append(process.parent.name)
    return found
