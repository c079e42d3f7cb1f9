"""The functions and classes that every part of a process shares, and who has replaced one of them."""

from __future__ import annotations

import builtins
import sys
from copy import copy
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.settings import Change, origin
from droppath_audit.frameworks.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set

globals()["__builtins__"] = dict(vars(builtins))  # as in ``settings``

STANDARD = (
    "builtins", "sys", "os", "os.path", "time", "random", "math", "threading", "_thread", "io", "gc", "signal",
    "warnings", "functools", "itertools", "operator", "contextlib", "collections", "copy", "pickle", "json", "re",
    "traceback", "types", "weakref", "logging", "enum", "dataclasses", "struct", "subprocess", "select", "tempfile",
    "atexit", "importlib", "secrets", "hashlib", "datetime", "queue", "linecache", "decimal", "fractions", "statistics",
)  # fmt: skip
CLASSES = (
    "random.Random",
    "threading.Thread",
    "json.JSONEncoder",
    "json.JSONDecoder",
    "pickle.Pickler",
    "pathlib.Path",
)
NUMPY = ("numpy", "numpy.random", "numpy.linalg", "numpy.fft", "numpy.testing")
for _name in NUMPY[:4]:  # NumPy loads them on first use, and what is not there is not watched
    import_module(_name)
OURS = ("droppath_audit", "droppath_reference")
DRIVING = tuple(f"droppath_audit.{folder}." for folder in ("frameworks", "probes", "targets"))
"""Where the methods of classes run between two calls of a target."""
THEIRS = tuple(f"droppath_audit.{folder}" for folder in ("mutants", "samples", "sound"))

EXTENSIONS = "__pybind11_internals"
"""Of names in ``builtins`` under which extension modules of C++ find each other, once the first of them is imported."""

_modules, _type = sys.modules, type
_set, _delete = type.__setattr__, type.__delattr__
_MISSING = object()
_BUILTINS = frozenset(vars(builtins))
_last: dict[tuple[str, ...], Functions] = {}


class Namespace:
    """The functions and classes in a module, or the methods of a class.

    Args:
        name: Its full name, such as ``torch.Tensor``.
        held: The module or class.
        aside: Full names that are not looked at.
    """

    def __init__(self, name: str, held: Any, aside: Container[str] = ()) -> None:
        self.name, self._held = name, held
        self._is_class = isinstance(held, _type)
        self._names = vars(held)
        self.version = version_of(self._names)  # read before the names: what comes between is seen as a change
        self.tag = 0 if self.version is None else self.version.value
        # Whatever else a module holds (counters, caches, registers) may change.
        kept = {
            key: value
            for key, value in self._names.items()
            if (callable(value) or hasattr(_type(value), "__get__")) and f"{name}.{key}" not in aside
        }
        self._keys, self._values, self._size = tuple(kept), tuple(kept.values()), len(self._names)
        self._before = frozenset(self._names)
        self._read = _getter(self._keys)

    def replaced(self) -> Iterator[tuple[str, Any, Any]]:
        """Yield the name, the value before and the value now of what was replaced, removed or covered up."""
        if not self._same():
            for key, value in zip(self._keys, self._values, strict=True):
                found = self._names.get(key, _MISSING)
                if found is not value:
                    yield key, value, found
        if len(self._names) != self._size:
            for key in set(self._names) - self._before:
                if self._covers(key):
                    yield key, _MISSING, self._names[key]

    def intact(self) -> bool:
        """Return whether nothing was replaced and no name is new, in one comparison."""
        return self._same() and len(self._names) == self._size

    def _same(self) -> bool:
        try:
            return bool(self._read(self._names) == self._values)
        except KeyError:
            return False

    def _covers(self, key: str) -> bool:
        """Return whether a new name hides one that was found without it."""
        if self._is_class:
            return any(key in vars(base) for base in self._held.__mro__[1:]) and not key.startswith("__abstract")
        if key.startswith(EXTENSIONS):
            return False
        return self.name == "builtins" or (key in _BUILTINS and not key.startswith("__"))

    def narrowed(self, expressions: Iterable[str]) -> Namespace | None:
        """Return the part of it that these expressions of changes are about; None where they are about others."""
        keys = {text.rpartition(".")[2] for text in expressions if text.rpartition(".")[0] == self.name}
        if any(text.startswith(f"hasattr({self.name}, ") for text in expressions):
            return self
        if not keys:
            return None
        part = copy(self)
        held = [(key, value) for key, value in zip(self._keys, self._values, strict=True) if key in keys]
        if len(held) < len(keys):  # a name that covers another one up
            return self
        part._keys, part._values = tuple(key for key, _ in held), tuple(value for _, value in held)
        part._read = _getter(part._keys)
        return part

    def put_back(self, key: str, value: Any) -> None:
        """Put back what a name stood for."""
        if self._is_class:
            _delete(self._held, key) if value is _MISSING else _set(self._held, key, value)
        elif value is _MISSING:
            del self._names[key]
        else:
            self._names[key] = value

    def change(self, key: str, value: Any, now: Any) -> Change:
        """Return in words that something was replaced."""
        full = f"{self.name}.{key}"
        imports = (f"import {self.name if not self._is_class else _module_of(self.name)}",)
        if now is _MISSING:
            return Change(f"{full} is gone", f"hasattr({self.name}, {key!r})", imports)
        if value is _MISSING and not self._is_class:
            return Change(f"{full} is new ({origin(now)})", f"hasattr({self.name}, {key!r})", imports)
        return Change(f"{full} is another function ({origin(now)})", full, imports)


class Functions:
    """A picture of all shared functions.

    Args:
        namespaces: Full names and modules or classes of a framework.
        aside: Full names in them that are not looked at.
    """

    def __init__(self, namespaces: Mapping[str, Any], aside: Container[str] = ()) -> None:
        self._watch([Namespace(name, held, aside) for name, held in {**_python(), **namespaces}.items()])
        self._imports = version_of(_modules)
        self._imported = 0 if self._imports is None else self._imports.value
        self._known = frozenset(_modules)
        self._loaded = {space.name: _modules[space.name] for space in self._namespaces if space.name in _modules}

    def _watch(self, namespaces: list[Namespace]) -> None:
        self._namespaces = namespaces
        self._versions = [space.version for space in namespaces if space.version is not None]
        self._tags = [space.tag for space in namespaces if space.version is not None]

    @classmethod
    def taken(cls, namespaces: Mapping[str, Any], aside: Container[str] = ()) -> Functions:
        """Return a picture of now: the last one where all is as it was, which costs a tenth of another."""
        last = _last.get(key := tuple(namespaces))
        if last is None or not last._current():
            last = _last[key] = cls(namespaces, aside)
        return last

    def narrowed(self, expressions: Set[str]) -> Functions:
        """Return a picture of those namespaces and modules that these expressions of changes are about."""
        part = copy(self)
        part._watch([found for space in self._namespaces if (found := space.narrowed(expressions)) is not None])
        part._loaded = {name: module for name, module in self._loaded.items() if _module(name)[0] in expressions}
        return part

    def changes(self) -> tuple[Change, ...]:
        """Return what is another function, or another module, than before."""
        found = [space.change(*parts) for space, parts in self._replaced()]
        modules = [Change(f"sys.modules[{name!r}] is another module", *_module(name)) for name in self._swapped()]
        return (*found, *modules)

    def put_back(self) -> None:
        """Put everything back."""
        for space, (key, value, _) in list(self._replaced()):
            space.put_back(key, value)
        for name in list(self._swapped()):
            _modules[name] = self._loaded[name]

    def _current(self) -> bool:
        loaded = _modules.keys() == self._known and not any(self._swapped())
        return loaded and not self._written()

    def _written(self) -> list[Namespace]:
        """Return the namespaces that are not intact. Mostly no number differs, and no object was touched."""
        if len(self._versions) == len(self._namespaces) and [one.value for one in self._versions] == self._tags:
            return []
        changed = (space for space in self._namespaces if space.version is None or space.version.value != space.tag)
        return [space for space in changed if not space.intact()]

    def _replaced(self) -> Iterator[tuple[Namespace, tuple[str, Any, Any]]]:
        for space in self._written():
            for parts in space.replaced():
                if not self._by_import(space, parts):
                    yield space, parts

    def _swapped(self) -> Iterator[str]:
        if self._imports is not None and self._imports.value == self._imported:
            return
        # Of these alone: compilers load what they wrote as modules of their own, and forget them.
        if _modules.keys() <= self._known:
            yield from (name for name, module in self._loaded.items() if _modules.get(name) is not module)

    def _by_import(self, space: Namespace, parts: tuple[str, Any, Any]) -> bool:
        """Return whether a package replaced its own function as a part of it was imported.

        Torch does so as its compiler is imported.
        """
        key, _, now = parts
        package = space.name.partition(".")[0]
        new = _modules.keys() - self._known
        if not any(name.partition(".")[0] == package for name in new):
            return False
        code, home = getattr(now, "__code__", None), getattr(_modules.get(package), "__file__", None)
        if code is None or home is None:
            return False
        return getattr(now, "__name__", "") == key and code.co_filename.startswith(str(Path(home).parent))


def _getter(keys: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what reads these names of a mapping."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda names: tuple(names[key] for key in keys)


def _python() -> dict[str, Any]:
    """Return the namespaces of the standard library, of NumPy and of this package, as far as they are loaded."""
    found: dict[str, Any] = {name: _modules[name] for name in (*STANDARD, *NUMPY) if name in _modules}
    for full in CLASSES:
        home, _, cls = full.rpartition(".")
        if home in _modules:
            found[full] = getattr(_modules[home], cls)
    for name, module in list(_modules.items()):
        if name.partition(".")[0] in OURS and not name.startswith(THEIRS) and module is not None:
            found[name] = module
            found |= {f"{name}.{cls.__name__}": cls for cls in _classes(module) if name.startswith(DRIVING)}
    return found


def _classes(module: Any) -> Iterable[type]:
    """Return the classes that a module defines."""
    return [v for v in vars(module).values() if isinstance(v, _type) and v.__module__ == module.__name__]


def _module_of(name: str) -> str:
    """Return the longest beginning of a dotted name that is a module."""
    while name not in _modules and "." in name:
        name = name.rpartition(".")[0]
    return name


def _module(name: str) -> tuple[str, tuple[str, ...]]:
    return f"sys.modules.get({name!r})", ("import sys", *([f"import {name}"] if name in STANDARD + NUMPY else []))
