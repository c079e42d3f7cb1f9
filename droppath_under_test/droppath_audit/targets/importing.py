"""From the target of a SPEC to the object that it names: modules, files, and attributes in them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import Unimportable, UsageError, nearest
from droppath_audit.core.files import is_there
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened

if TYPE_CHECKING:
    from types import ModuleType

    from droppath_audit.core.known import Known
    from droppath_audit.targets.spec import Spec


@dataclass(frozen=True)
class Found:
    """What a SPEC names.

    Attributes:
        obj: The object.
        owner: What it is an attribute of: a module, or a class.
        lines: Lines that import it, under its name with underscores for dots.
        notes: What was made of it, for the header.
    """

    obj: Any
    owner: Any
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find(spec: Spec, imports: tuple[str, ...] = ()) -> Found:
    """Import what a SPEC names.

    Args:
        spec: The SPEC.
        imports: Modules to import first, in order.

    Raises:
        UsageError: If it cannot be imported, has no such name, or is not callable.
    """
    before = (*imports, *(spec.known.imports if spec.known is not None else ()))
    path = list(sys.path)
    try:
        for name in before:
            _import(name, f"--import {name}")
        module = _import_file(spec.module) if spec.is_file else _import(spec.module, spec.text)
    except UsageError as error:
        if spec.known is None or not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        raise _not_installed(spec.known, error) from error
    sys.path += [entry for entry in path if entry not in sys.path]  # what follows imports as well
    obj, owner = _lookup(module, spec)
    return Found(obj, owner, (*(f"import {name}" for name in before), *import_lines(spec)))


def _not_installed(known: Known, error: UsageError) -> UsageError:
    """Return the error that says how to install a known implementation; it comes from a module that is missing."""
    missing = getattr(error.__cause__, "name", None)
    commands = "".join(f"\n    {command}" for command in known.install)
    return UsageError(
        f"{known.name} ({known.title}) is not installed in this environment ({sys.executable}): there is no module "
        f"{missing!r}. " + (f"Install it with{commands}" if commands else error.message),
        error.detail,
    )


def _import(name: str, asked_by: str) -> ModuleType:
    # The working directory comes last: a folder called jax in it must not shadow the package.
    here = working_directory()
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or (missing and name.startswith(f"{missing}.")):
            # Nobody keeps a DropPath in the standard library, whose many names resemble everything.
            known = {found.name for found in _siblings(name)} - sys.stdlib_module_names
            parent, _, last = missing.rpartition(".")
            inside = hasattr(sys.modules.get(parent), last)
            raise Unimportable(
                f"There is no module {missing!r} to import for {asked_by}. "
                + (
                    f"{parent} has the name {last}: write {parent}:{last}"
                    if inside
                    else f"Is the package installed in this environment ({sys.executable}), or the working "
                    f"directory the right one?{nearest(last, known)}"
                ),
                traceback.format_exc(),
            ) from error
        raise _failed(f"Importing {name}", error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _failed(f"Importing {name}", error) from error


def _failed(action: str, error: BaseException) -> Unimportable:
    """Return the error that reports what somebody else's code raised; to be called where it was caught."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        text = f"{action} failed: it needs the module {error.name!r}, which is not installed"
        return Unimportable(f"{text}.", traceback.format_exc())
    text = f"{action} failed with {type(error).__name__}: {_first_line(error)}"
    return Unimportable(f"{text.rstrip('.')}.", traceback.format_exc(), advice=" Option -v shows where.")


def _siblings(name: str) -> Any:
    """Return the modules beside a missing one, for suggestions."""
    import pkgutil

    parent = name.rpartition(".")[0]
    while parent and parent not in sys.modules:
        parent = parent.rpartition(".")[0]
    return pkgutil.iter_modules(getattr(sys.modules[parent], "__path__", []) if parent else None)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _import_file(path: str) -> ModuleType:
    file = Path(path)
    if not is_there(path):
        folder = file.parent if file.parent.is_dir() else Path()
        names = [found.name for found in folder.glob("*.py")]
        raise UsageError(f"There is no file {shortened(path)}." + nearest(file.name, names))
    name = f"_droppath_audit_file_{file.stem}"
    if str(file.parent.resolve()) not in sys.path:
        sys.path.append(str(file.parent.resolve()))
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file always has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise _failed(f"Running {path}", error) from error
    return module


def _lookup(module: ModuleType, spec: Spec) -> tuple[Any, Any]:
    """Return what the SPEC names, and what it is an attribute of."""
    obj: Any = module
    owner: Any = module
    for part in spec.name.split("."):
        owner, obj = obj, _attribute(obj, part, spec)
    if inspect.ismodule(obj):
        raise UsageError(f"{spec.module}:{spec.name} is a module. Name something in it: {obj.__name__}:NAME")
    if not callable(obj):
        raise UsageError(f"{spec.module}:{spec.name} is not callable; it is of type {type(obj).__name__}.")
    return obj, owner


def _attribute(obj: Any, name: str, spec: Spec) -> Any:
    try:
        return getattr(obj, name)
    except AttributeError:
        # A module that loads its names lazily lists them in __all__ alone.
        names = [known for known in {*dir(obj), *getattr(obj, "__all__", ())} if not known.startswith("_")]
        raise UsageError(f"{spec.module} has no {spec.name!r}." + (nearest(name, names) or _callables(obj))) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # modules that import their parts on first use
        raise _failed(f"Getting {spec.name} from {spec.module}", error) from error


def _callables(obj: Any) -> str:
    home = getattr(obj, "__name__", None)
    defined = [
        name
        for name, value in getattr(obj, "__dict__", {}).items()
        if callable(value) and getattr(value, "__module__", "") == home
    ]
    names = [name for name in defined if not name.startswith("_")]
    return f" It defines {', '.join(names[:12])}." if names else ""


def import_lines(spec: Spec) -> tuple[str, ...]:
    """Return the lines that import a target, under its name with underscores for dots."""
    alias = spec.name.replace(".", "_")
    first = spec.name.partition(".")[0]
    if spec.is_file:
        folder = os.path.dirname(spec.module) or "."  # noqa: PTH120 - in the words of the SPEC
        lines: tuple[str, ...] = (
            f"import runpy, sys; sys.path.append({folder!r})",
            f"{first} = runpy.run_path({spec.module!r})[{first!r}]",
        )
    else:
        lines = (f"from {spec.module} import {first}",)
    return lines if alias == first else (*lines, f"{alias} = {spec.name}")
