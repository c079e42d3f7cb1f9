"""The checks: one file each, found by being here.

A file ``dpNNN_slug.py`` defines ``CHECK``; nothing else has to know of it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.core.check import Check


@cache
def catalogue() -> Mapping[str, Check]:
    """Return every check by id, in the order of the ids.

    Raises:
        ValueError: If two files define the same id.
    """
    found: dict[str, Check] = {}
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        check: Check = import_module(f"{__name__}.{module.name}").CHECK
        if check.id in found:
            raise ValueError(f"{module.name} defines {check.id}, which another file defines already")
        found[check.id] = check
    return found
