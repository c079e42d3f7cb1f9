"""Root of the test session: the project's own pytest plugin, also where it is not installed."""

from __future__ import annotations

from importlib.metadata import entry_points

# A checkout without installed metadata (an offline machine with an accelerator) has no entry point to load it by.
_installed = any(entry.value == "droppath_audit.pytest_plugin" for entry in entry_points(group="pytest11"))
pytest_plugins = [] if _installed else ["droppath_audit.pytest_plugin"]
