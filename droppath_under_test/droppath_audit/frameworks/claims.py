"""Which packages an object's code names: how a target's framework is found without asking what the target does.

A function does not say what it works on. The names in its code are looked up, then those in the code of the functions
of its own package that it names, and so on; where none of the packages is met, the names of its modules are looked at.
Nothing is imported: what has not been loaded cannot be what an object consists of.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set
    from types import CodeType, FunctionType


def packages_of(obj: Any, packages: Set[str]) -> set[str]:
    """Return which of the packages the object's code names; those that are met first where it reaches several.

    Args:
        obj: A class, an instance or a function.
        packages: Names of top-level packages.
    """
    while isinstance(obj, partial):
        obj = obj.func
    functions = list(_functions(obj))
    met, level, seen = _homes([obj]) & packages, functions, set(functions)
    while level and not met:
        named = [(_home(function), value) for function in level for value in _named(function)]
        met = _homes(value for _, value in named) & packages
        further = (inner for home, value in named if _home(value) == home for inner in _functions(value))
        level = [inner for inner in further if inner not in seen]
        seen |= set(level)
    return met or _homes(value for function in functions for value in function.__globals__.values()) & packages


def _home(value: Any) -> str:
    """Return the top-level package that a value comes from, or an empty text."""
    module = None
    with suppress(Exception):  # stand-ins that load something on first use, and fail
        module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


def _homes(values: Iterable[Any]) -> set[str]:
    """Return the top-level packages that the values, their classes and the bases of these come from."""
    homes: set[str] = set()
    for value in values:
        cls = value if inspect.isclass(value) else type(value)
        homes |= {_home(value), *(_home(base) for base in cls.__mro__)}
    return homes


def _functions(obj: Any) -> Iterator[FunctionType]:
    """Return the Python functions that an object consists of: itself, or what its class and the bases define."""
    plain = obj
    with suppress(Exception):  # stand-ins for which every attribute exists have no innermost function
        plain = inspect.unwrap(getattr(obj, "__func__", obj)) if callable(obj) else obj
    if inspect.isfunction(plain):
        yield plain
        return
    for cls in (obj if inspect.isclass(obj) else type(obj)).__mro__:
        yield from (value for value in vars(cls).values() if inspect.isfunction(value))


def _named(function: FunctionType) -> list[Any]:
    """Return the values of the names in a function's code, of its module and of functions around it."""
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a cell that is still empty
            known[name] = cell.cell_contents
    names = [*_names(function.__code__), *function.__code__.co_freevars]
    return [known[name] for name in names if name in known]


def _names(code: CodeType) -> Iterator[str]:
    """Return the names in a function's code, those in functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _names(constant)
