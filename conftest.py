"""Root of the test session: the project's own pytest plugin, also where it is not installed."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# A checkout without installed metadata (an offline machine with an accelerator) has no entry point to load it by.
_installed = any(entry.value == "droppath_audit.pytest_plugin" for entry in entry_points(group="pytest11"))
pytest_plugins = [] if _installed else ["droppath_audit.pytest_plugin"]


@pytest.fixture(autouse=True)
def _functions_of_torch_are_put_back() -> Iterator[None]:
    """Put back what a faulty layer replaced in torch in this process, for the tests that come after it."""
    torch = sys.modules.get("torch")
    before = {name: value for name, value in vars(torch).items() if callable(value)} if torch else {}
    yield
    for name, value in before.items():
        if vars(torch).get(name) is not value:
            setattr(torch, name, value)
