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
def _functions_are_put_back() -> Iterator[None]:
    """Put back the functions that a faulty layer replaced in this process, for the tests that come after it."""
    if "torch" not in sys.modules:
        yield
        return
    from droppath_audit.frameworks.functions import Functions
    from droppath_audit.frameworks.torch.operations import TorchFramework

    torch = TorchFramework()
    before = Functions.taken(torch.namespaces(), torch.aliases)
    yield
    before.put_back()
