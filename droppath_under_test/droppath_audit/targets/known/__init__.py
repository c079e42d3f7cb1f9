"""Implementations that can be audited by name: one file a package, found by being here.

A file defines ``SYSTEMS``, a tuple of ``core.known.Known``; one whose name begins with ``_`` holds what several share.
Nothing here imports the packages themselves.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.core.known import Known


@cache
def known_systems() -> Mapping[str, Known]:
    """Return every known implementation by its name, in the order of the files.

    Raises:
        ValueError: If two have the same name.
    """
    found: dict[str, Known] = {}
    files = sorted(info.name for info in iter_modules(__path__) if not info.name.startswith("_"))
    for name in files:
        systems: tuple[Known, ...] = import_module(f"{__name__}.{name}").SYSTEMS
        for system in systems:
            if system.name in found:
                raise ValueError(f"{name} defines {system.name}, which another file defines already")
            found[system.name] = system
    return found
