"""Small folders of Python, written by the tests, and what a scan sees in them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from droppath_audit.scanning.finding import find
from droppath_audit.scanning.reading import read
from droppath_audit.scanning.sources import File

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from droppath_audit.scanning.finding import LookAlike

    Write = Callable[[str, str], str]
    Found = Callable[[str], list[LookAlike]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of the folder and returns its path."""

    def to(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(file)

    return to


@pytest.fixture
def found(write: Write, tmp_path: Path) -> Found:
    """Return a function that writes code into a file and returns the look-alikes in it."""
    number = 0

    def of(text: str) -> list[LookAlike]:
        nonlocal number
        number += 1
        path = write(f"layers_{number}.py", text)
        source = read(File(path, "", str(tmp_path)))
        return [] if source is None else find(source)

    return of
