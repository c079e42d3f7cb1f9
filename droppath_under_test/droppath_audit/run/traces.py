"""What a target leaves behind in its process: globals, caches, attributes of classes, generators of its own.

A digest is taken of everything that the target's own modules hold, before and after each trial. Where it changes, the
next trial would not see the process that it sees alone, and is run in a fork of one in which no trial ran.
"""

from __future__ import annotations

import functools
import inspect
import random
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from types import ModuleType

DEEPEST, MOST = 6, 1000  # levels, and members of one container, that are looked at
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))


class Traces:
    """Watches the modules in which a target is defined.

    Args:
        obj: The target: a class, an instance, a function or a factory.
        frameworks: Top-level packages that are nobody's own code, such as ``torch``.
    """

    def __init__(self, obj: Any, frameworks: Iterable[str]) -> None:
        self._obj = obj
        self._foreign = {"builtins", *sys.stdlib_module_names, *frameworks}
        self._modules = list(self._own_modules())
        self._before = self._digest()

    def changed(self) -> bool:
        """Return whether anything is not what it was when this watch began."""
        return self._digest() != self._before

    def _own_modules(self) -> Iterator[ModuleType]:
        found: dict[str, ModuleType] = {}
        for part in _parts(self._obj):
            name = getattr(part, "__module__", None)
            module = sys.modules.get(name) if isinstance(name, str) else None
            if module is not None and str(name).partition(".")[0] not in self._foreign:
                found[str(name)] = module
        return iter(found.values())

    def _digest(self) -> Hashable:
        own = {module.__name__ for module in self._modules}
        looked = _Look(own)
        return (
            looked.at(self._obj, 0),
            tuple(
                (name, looked.at(value, 0))
                for module in self._modules
                for name, value in tuple(vars(module).items())
                if not (name.startswith("__") and name.endswith("__"))
            ),
        )


def _parts(obj: Any) -> Iterator[Any]:
    """Yield the object and what it is made of: classes it inherits from, functions it wraps."""
    seen: set[int] = set()
    waiting = [obj]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [part.func] if isinstance(part, functools.partial) else []
        waiting += [getattr(part, name) for name in ("__wrapped__", "__func__") if hasattr(part, name)]
        waiting += inspect.getmro(part if inspect.isclass(part) else type(part))


class _Look:
    """One look at a graph of objects, each of which is looked at once."""

    def __init__(self, own: set[str]) -> None:
        self._own, self._seen = own, set[int]()

    def at(self, value: Any, depth: int) -> Hashable:
        """Return what must be equal as long as a value is what it was."""
        if isinstance(value, PLAIN):
            return value if value == value else repr(value)  # NaN is not equal to itself
        if id(value) in self._seen or depth > DEEPEST:
            return id(value)
        self._seen.add(id(value))
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            return (id(value), len(value), *(self.at(part, depth + 1) for part in _some(value)))
        if isinstance(value, dict):
            pairs = ((self.at(key, depth + 1), self.at(part, depth + 1)) for key, part in _some(value.items()))
            return (id(value), len(value), *pairs)
        return (id(value), self._inside(value, depth + 1))

    def _inside(self, value: Any, depth: int) -> Hashable:
        if isinstance(value, random.Random):
            return value.getstate()
        if isinstance(value, np.random.Generator):
            return str(value.bit_generator.state)
        if isinstance(value, np.ndarray):
            return value.tobytes() if value.size <= MOST else None
        for name in ("cache_info", "get_state", "_version"):  # of cached functions, generators and tensors of torch
            found = getattr(value, name, None) if not inspect.isclass(value) else None
            if found is not None:
                return _text(found)
        if inspect.isfunction(value):
            # Part by part: a list made here could have the address of one that was looked at.
            parts = (value.__defaults__, value.__kwdefaults__, vars(value))
            cells = (cell.cell_contents for cell in value.__closure__ or () if _filled(cell))
            return tuple(self.at(part, depth) for part in (*parts, *cells))
        if inspect.ismodule(value) or (inspect.isclass(value) and value.__module__ not in self._own):
            return None
        held = getattr(value, "__dict__", None)
        if held is None:
            return None
        names = [name for name in tuple(held) if not (name.startswith("__") and name.endswith("__"))]
        return tuple((name, self.at(held[name], depth)) for name in names if name in held)


def _some(values: Iterable[Any]) -> list[Any]:
    return [value for value, _ in zip(tuple(values), range(MOST), strict=False)]


def _text(found: Any) -> str:
    """Return what an attribute, or a method without arguments, says; whatever it raises says nothing."""
    try:
        said = found() if callable(found) else found
        return str(said.tolist() if hasattr(said, "tolist") else said)
    except Exception:
        return ""


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
