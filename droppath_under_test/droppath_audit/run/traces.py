"""What a target leaves behind in its process: globals, caches, attributes of classes, generators of its own.

A digest is taken of everything that the target's own modules hold, before and after each trial. Where it changes, the
next trial would not see the process that it sees alone, and is run in a fork of one in which no trial ran.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random
import sys
from collections import deque
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping
    from types import ModuleType

DEEPEST, MOST, ALL = 6, 1000, 2000  # levels, members of one container, and objects that are looked at
LARGEST = 2**20  # bytes of an array
PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
TELLING = ("cache_info", "get_state", "_version")  # of cached functions, generators and tensors of torch


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
        looked = _Look({module.__name__.partition(".")[0] for module in self._modules})
        return looked.at(self._obj, 0), tuple(looked.at(module, 0) for module in self._modules)


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
    """One look at a graph of objects, each of which is looked at once.

    Args:
        own: Top-level packages of the target, whose modules and classes are looked into.
    """

    def __init__(self, own: set[str]) -> None:
        self._own, self._seen, self._left = own, set[int](), ALL

    def at(self, value: Any, depth: int) -> Hashable:
        """Return what must be equal as long as a value is what it was."""
        if isinstance(value, PLAIN):
            return value if value == value else repr(value)  # NaN is not equal to itself
        if id(value) in self._seen or depth > DEEPEST or not self._left:
            return id(value)
        self._seen.add(id(value))
        self._left -= 1
        try:
            return (id(value), self._inside(value, depth + 1))
        except Exception:  # the target's own attributes may raise what they like; that is no trace
            return id(value)

    def _inside(self, value: Any, depth: int) -> Hashable:
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            return (len(value), *(self.at(part, depth) for part in _some(value)))
        if isinstance(value, dict):
            return (len(value), *((self.at(key, depth), self.at(part, depth)) for key, part in _some(value.items())))
        if isinstance(value, random.Random):
            return value.getstate()
        if isinstance(value, np.random.Generator):
            return str(value.bit_generator.state)
        if isinstance(value, np.ndarray):
            return crc32(value.tobytes()) if value.nbytes <= LARGEST else None
        if isinstance(value, itertools.count):
            return repr(value)
        if isinstance(value, ContextVar):
            return self.at(value.get(None), depth)
        if inspect.isgenerator(value):
            frame = value.gi_frame
            return None if frame is None else (frame.f_lasti, self._named(frame.f_locals, depth))
        if isinstance(value, functools.partial):
            return tuple(self.at(part, depth) for part in (value.func, value.args, value.keywords))
        if inspect.ismethod(value) or inspect.isbuiltin(value):
            return tuple(self.at(getattr(value, name, None), depth) for name in ("__self__", "__func__"))
        if inspect.isfunction(value):
            return self._function(value, depth)
        if inspect.ismodule(value):
            return self._named(vars(value), depth) if self._is_own(value.__name__) else None
        if inspect.isclass(value):
            return self._named(vars(value), depth) if self._is_own(value.__module__) else None
        kind = cast("Hashable", type(value))
        told = tuple(_text(getattr(value, name)) for name in _telling(kind))
        slots = {name: getattr(value, name) for name in _slots(kind) if hasattr(value, name)}
        return (told, self._named({**getattr(value, "__dict__", {}), **slots}, depth))

    def _function(self, function: Any, depth: int) -> Hashable:
        # Part by part: a list made here could have the address of one that was looked at.
        parts = (function.__defaults__, function.__kwdefaults__, function.__dict__ or None)
        cells = (cell.cell_contents for cell in function.__closure__ or () if _filled(cell))
        home = sys.modules.get(function.__module__) if self._is_own(function.__module__) else None
        return tuple(self.at(part, depth) for part in (*parts, *cells, home))

    def _named(self, held: Mapping[str, Any], depth: int) -> Hashable:
        names = [name for name in tuple(held) if not (name.startswith("__") and name.endswith("__"))]
        return tuple((name, self.at(held[name], depth)) for name in names[:MOST] if name in held)

    def _is_own(self, module: object) -> bool:
        return isinstance(module, str) and module.partition(".")[0] in self._own


@functools.cache
def _telling(kind: Any) -> tuple[str, ...]:
    return tuple(name for name in TELLING if inspect.getattr_static(kind, name, None) is not None)


@functools.cache
def _slots(kind: Any) -> tuple[str, ...]:
    found = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    return tuple(name for names in found for name in ((names,) if isinstance(names, str) else names))


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
