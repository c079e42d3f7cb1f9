"""The checks: one file each, found by being here; those of whole models and of schedules in folders of their own.

A file ``dpNNN_slug.py`` defines one subclass of ``core.check.Check``; nothing else has to know of it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from droppath_audit.core.check import Check
from droppath_audit.core.facts import MODEL, SCHEDULE

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
    return _in_folder("models")


@cache
def of_schedules() -> Mapping[str, AnyCheck]:
    """Return every check of schedules by id, in the order of the ids.

    Raises:
        ValueError: As for `catalogue`.
    """
    return _in_folder("schedules")


def of_kind(kind: str) -> Mapping[str, AnyCheck]:
    """Return the checks of a kind of target (``core.facts.Facts.kind``) by id, in the order of the ids."""
    return of_models() if kind == MODEL else of_schedules() if kind == SCHEDULE else catalogue()


@cache
def everything() -> Mapping[str, AnyCheck]:
    """Return every check of layers, of models and of schedules by id, in the order of the ids."""
    found = {**catalogue(), **of_models(), **of_schedules()}
    return dict(sorted(found.items()))


def check(identity: str) -> AnyCheck:
    """Return the check of this id, of layers, of models or of schedules.

    Raises:
        KeyError: If there is none.
    """
    layers = catalogue()  # those of others are imported where one of them is asked for
    return layers[identity] if identity in layers else everything()[identity]


def _in_folder(name: str) -> dict[str, AnyCheck]:
    package = import_module(f"{__name__}.{name}")
    return _found(package.__name__, package.__path__)


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
