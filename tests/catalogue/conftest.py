"""What is caught and what passes here must not depend on how fast the machine is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from droppath_audit.core.effort import EFFORTS
from droppath_audit.selftest.examination import UNLIMITED


@pytest.fixture(autouse=True)
def _no_time_limits(monkeypatch):
    """Let trials run to their end: a slow machine would leave them inconclusive, which kills nothing."""
    for name, effort in dict(EFFORTS).items():
        monkeypatch.setitem(EFFORTS, name, replace(effort, seconds=UNLIMITED))
