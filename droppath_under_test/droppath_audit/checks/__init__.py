"""The checks: one file each, found by being here.

A file ``dpNNN_slug.py`` defines one subclass of ``core.check.Check``; nothing else has to know of it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from droppath_audit.core.check import Check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from droppath_audit.core.check import AnyCheck


@cache
def catalogue() -> Mapping[str, AnyCheck]:
    """Return every check by id, in the order of the ids.

    Raises:
        ValueError: If a file defines no check or several, or two files define the same id.
    """
    found: dict[str, AnyCheck] = {}
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        check = _only_check(import_module(f"{__name__}.{module.name}"))
        if check.id in found:
            raise ValueError(f"{module.name} defines {check.id}, which another file defines already")
        found[check.id] = check
    return found


def _only_check(module: ModuleType) -> AnyCheck:
    kinds = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Check) and value.__module__ == module.__name__
    ]
    if len(kinds) != 1:
        raise ValueError(f"{module.__name__} defines {len(kinds)} checks, and a file defines one")
    return kinds[0]()
