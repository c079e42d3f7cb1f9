"""The checks: one file each, found by being here; those of whole models in ``checks.models``.

A file ``dpNNN_slug.py`` defines one subclass of ``core.check.Check``; nothing else has to know of it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from droppath_audit.core.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from droppath_audit.core.check import AnyCheck


@cache
def catalogue() -> Mapping[str, AnyCheck]:
    """Return every check of layers by id, in the order of the ids.

    Raises:
        ValueError: If a file defines no check or several, or two files define the same id.
    """
    return _found(__name__, __path__)


@cache
def of_models() -> Mapping[str, AnyCheck]:
    """Return every check of whole models by id, in the order of the ids.

    Raises:
        ValueError: As for `catalogue`.
    """
    package = import_module(f"{__name__}.models")
    return _found(package.__name__, package.__path__)


def check(identity: str) -> AnyCheck:
    """Return the check of this id, of layers or of models.

    Raises:
        KeyError: If there is none.
    """
    layers = catalogue()
    return layers[identity] if identity in layers else of_models()[identity]


def _found(package: str, path: Iterable[str]) -> dict[str, AnyCheck]:
    found: dict[str, AnyCheck] = {}
    for module in sorted(iter_modules(path), key=lambda module: module.name):
        if module.ispkg:
            continue
        check = _only_check(import_module(f"{package}.{module.name}"))
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
