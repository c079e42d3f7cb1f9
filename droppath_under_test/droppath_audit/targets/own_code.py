"""The code of a target: its own functions, those of its package that they name, and the numbers in them.

Read from code objects, so that what has no source has its numbers all the same. What a framework compiled, or what is
written in another language, has no code here.
"""

from __future__ import annotations

import dis
import inspect
from collections import deque
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from droppath_audit.core.packages import FRAMEWORKS, INSTALLED
from droppath_audit.targets.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_FUNCTIONS = 200  # whoever's package is a whole world is followed so far
OWN_CODE = "own_code"
EXACT = 2**53  # below it every whole number is a float
MOST_HELD = 16  # numbers of a module's own list, or table, that are read


def named_by(obj: Any) -> Any:
    """Return the code under test that a factory names in its attribute ``OWN_CODE``; None where it names none."""
    return vars(obj).get(OWN_CODE) if isinstance(obj, FunctionType) else None


def own_functions(obj: Any) -> tuple[FunctionType, ...]:
    """Return the functions of a target's own code, those nearest to it first.

    Those are its own, the methods of its class and of that class's bases, and what they name, in turn: functions and
    classes of the same package; for a file that is in no package, of the same folder. A factory that is written for
    a block names the block, in its attribute ``OWN_CODE``.

    Args:
        obj: A class, a function, an instance, or what partly applies or wraps one of these.
    """
    start = _written(_behind(named_by(obj) or obj))
    home = _home(start)
    if home is None:
        return ()
    found: dict[FunctionType, None] = {}
    waiting: deque[Any] = deque([start])
    met: set[int] = set()
    while waiting and len(found) < MOST_FUNCTIONS:
        one = _behind(waiting.popleft())
        if id(one) in met:
            continue
        met.add(id(one))
        if isinstance(one, FunctionType):
            if home.owns(_module_of(one), one.__code__.co_filename):
                found[one] = None
            waiting.extend(_named(one))
        elif inspect.isclass(one) and home.owns(str(one.__module__), _file_of(one)):
            waiting.extend(member for base in one.__mro__ for member in _methods(base))
    return tuple(found)


def arguments(obj: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the arguments of a target's constructor and call, each with its default, and the names of the call's.

    Those that take any further ones, ``*args`` and ``**kwargs``, are named among the first alone.

    Args:
        obj: As for ``own_functions``.
    """
    start = _behind(obj)
    functions = [start] if isinstance(start, FunctionType) else []
    if inspect.isclass(start):
        members = [inspect.getattr_static(start, name, None) for name in ("__init__", "forward", "__call__")]
        functions = [one for one in members if isinstance(one, FunctionType)][:2]
    found: dict[str, Any] = {}
    names: tuple[str, ...] = ()
    for function in functions:
        given = inspect.signature(function, follow_wrapped=False).parameters.values()
        own = list(given)[1:] if inspect.isclass(start) else list(given)
        found |= {one.name: one.default for one in own}
        names = tuple(one.name for one in own if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))
    return found, names


def on_by_default(obj: Any, said: set[str]) -> str:
    """Return the item of an argument that is True by default and whose name has one of these words; empty for none.

    Args:
        obj: As for ``own_functions``.
        said: Words, in lower case.
    """
    defaults, called = arguments(obj)
    found = [name for name, default in defaults.items() if default is True and said & set(words(name))]
    return f"{'arg' if found[0] in called else 'init'}.{found[0]}" if found else ""


def numbers(functions: Iterable[FunctionType]) -> tuple[float, ...]:
    """Return the numbers in the code of functions, each once, in the order in which they are met.

    Those are literals, folded ones (``2**16``, ``1 << 20``) and signed ones, defaults of parameters, and constants of
    a module or a class, alone or in a list or table, that the code names.
    """
    found: dict[float, None] = {}
    for function in functions:
        for value in _values(function):
            found.update(dict.fromkeys(_plain(value)))
    return tuple(found)


class _Home:
    """The package, or the folder, of a target."""

    def __init__(self, module: str, file: str) -> None:
        self._top, path = module.partition(".")[0], Path(file)
        self._alone = module if self._top in FRAMEWORKS else ""
        loose = file and not INSTALLED & set(path.parts) and not (path.parent / "__init__.py").exists()
        self._folder = path.parent if loose else None

    def owns(self, module: str, file: str) -> bool:
        """Return whether code of this module, in this file, belongs to the target's own."""
        if self._alone:
            return module == self._alone
        if module.partition(".")[0] == self._top:
            return True
        # What is installed below the folder, in an environment of the project, is others'.
        path = Path(file)
        return self._folder is not None and self._folder in path.parents and not INSTALLED & set(path.parts)


def _home(obj: Any) -> _Home | None:
    if isinstance(obj, FunctionType):
        return _Home(_module_of(obj), obj.__code__.co_filename)
    return _Home(str(obj.__module__), _file_of(obj)) if inspect.isclass(obj) else None


def _module_of(function: FunctionType) -> str:
    """Return where a function was written, whatever a decorator says."""
    return str(function.__globals__.get("__name__") or "")


def _file_of(cls: type) -> str:
    """Return the file of a class that has a function, which says where it was written."""
    return next((one.__code__.co_filename for one in _methods(cls) if one.__module__ == cls.__module__), "")


def _behind(obj: Any) -> Any:
    """Return the function or class behind what was partly applied, wrapped, compiled or constructed."""
    for _ in range(8):  # a wrapper of a wrapper, and none without end
        if isinstance(obj, partial):
            obj = obj.func
        elif isinstance(obj, (staticmethod, classmethod)) or inspect.ismethod(obj):
            obj = obj.__func__
        elif isinstance(wrapped := inspect.getattr_static(obj, "__wrapped__", None), FunctionType):
            obj = wrapped
        else:
            break
    if isinstance(obj, (FunctionType, ModuleType)) or inspect.isclass(obj):
        return obj
    modules = getattr(obj, "__dict__", {}).get("_modules")
    # What torch.compile returns of a module holds it.
    return type(modules["_orig_mod"] if isinstance(modules, dict) and "_orig_mod" in modules else obj)


def _written(start: Any) -> Any:
    """Return what somebody wrote: a function that was made to stand in for it is of no module, and names it."""
    if not isinstance(start, FunctionType) or "__name__" in start.__globals__:
        return start
    held = (*(start.__defaults__ or ()), *(start.__kwdefaults__ or {}).values(), *start.__globals__.values())
    written = (one for one in map(_behind, held) if isinstance(one, FunctionType) or inspect.isclass(one))
    return next((one for one in written if one.__module__ not in (None, "builtins", "types")), start)


def _methods(cls: type) -> Iterator[FunctionType]:
    for member in vars(cls).values():
        parts = (member.fget, member.fset) if isinstance(member, property) else (member,)
        for part in parts:
            function = part.__func__ if isinstance(part, (staticmethod, classmethod)) else part
            if isinstance(function, FunctionType):
                yield function


def _named(function: FunctionType) -> Iterator[Any]:
    """Yield functions and classes that the code of a function names, those that it closes over included."""
    for value in (*_looked_up(function), *_enclosed(function)):
        if isinstance(value, (FunctionType, partial)) or inspect.isclass(value):
            yield value


def _looked_up(function: FunctionType) -> Iterator[Any]:
    """Yield the values of global names, and of attributes of modules, that a function's code reads."""
    for code in _codes(function.__code__):
        held = [function.__globals__[name] for name in code.co_names if name in function.__globals__]
        yield from held
        for owner in held:
            if isinstance(owner, ModuleType) and owner.__name__.partition(".")[0] not in FRAMEWORKS:
                yield from (vars(owner)[name] for name in code.co_names if name in vars(owner))


def _enclosed(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet filled
            continue


def _values(function: FunctionType) -> Iterator[Any]:
    """Yield what may hold numbers of a function's code."""
    for code in _codes(function.__code__):
        for instruction in dis.get_instructions(code):
            if "CONST" in instruction.opname or "SMALL_INT" in instruction.opname:
                yield instruction.argval
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from _looked_up(function)
    yield from _enclosed(function)
    yield from _of_its_class(function)


def _of_its_class(function: FunctionType) -> Iterator[Any]:
    """Yield the constants of the class of a method that its code names."""
    owner: Any = function.__globals__
    for name in function.__qualname__.split(".")[:-1]:
        owner = owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)
    if inspect.isclass(owner):
        names = {name for code in _codes(function.__code__) for name in code.co_names}
        yield from (value for name, value in vars(owner).items() if name in names)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield code and the code of what is defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _plain(value: Any) -> Iterator[float]:
    """Yield a number, or those of a short list or table, as a float where it is one."""
    held: tuple[Any, ...] = (value,)
    if isinstance(value, (tuple, list, set, frozenset, dict)) and len(value) <= MOST_HELD:
        held = (*value, *value.values()) if isinstance(value, dict) else tuple(value)
    for part in held:
        if type(part) is float or (type(part) is int and abs(part) < EXACT):
            yield float(part)
