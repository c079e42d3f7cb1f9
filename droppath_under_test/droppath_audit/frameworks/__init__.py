"""Frameworks: one folder each, found by being here.

The module ``adapter`` in it defines ``ADAPTER`` (see ``frameworks.adapter``). Which of them drives a target is what the
SPEC says or what the target's code names; see ``adapter_for``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, cast

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.frameworks.claims import packages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.frameworks.adapter import Adapter
    from droppath_audit.frameworks.spelling import Spelling

DEFAULT = "torch"
"""The framework of code that names none, or several."""


@cache
def adapters() -> tuple[Adapter, ...]:
    """Return the adapter of every framework in this folder, in alphabetical order."""
    modules = [import_module(f"{__name__}.{found.name}.adapter") for found in iter_modules(__path__) if found.ispkg]
    return tuple(sorted((cast("Adapter", module.ADAPTER) for module in modules), key=lambda adapter: adapter.name))


def adapter_for(obj: Any, framework: str = "") -> Adapter:
    """Return the adapter that drives this object: that of the named framework, or of the one that its code names.

    Code that names a single framework is its own; a framework that others use on the side (``Adapter.beside``) is
    looked for only where none of the others is named anywhere. All other code is taken for ``DEFAULT``'s.

    Raises:
        UsageError: If there is no framework of that name.
    """
    if framework:
        return _named(framework)
    tensors = [adapter for adapter in adapters() if not adapter.beside]
    met = _met(obj, tensors) or _met(obj, [adapter for adapter in adapters() if adapter.beside])
    return met[0] if len(met) == 1 else _named(DEFAULT)


def spelling_of(framework: str) -> Spelling:
    """Return how a framework's operations are written as source text, without importing it.

    Raises:
        UsageError: If there is no framework of that name.
    """
    return _named(framework).spelling()


def _met(obj: Any, candidates: Sequence[Adapter]) -> list[Adapter]:
    """Return the candidates whose packages the object's code names."""
    packages = packages_of(obj, {package for adapter in candidates for package in adapter.packages})
    return [adapter for adapter in candidates if packages.intersection(adapter.packages)]


def _named(framework: str) -> Adapter:
    known = {adapter.name: adapter for adapter in adapters()}
    if framework not in known:
        raise UsageError(
            f"framework={framework} is not known; framework is one of {', '.join(known)}." + nearest(framework, known)
        )
    return known[framework]
