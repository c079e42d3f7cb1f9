"""From a parsed SPEC, or an object in hand, to a driven target and its description."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import keyword
import os
import platform
import sys
import time
import traceback
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.facts import Facts
from droppath_audit.core.files import is_there
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened
from droppath_audit.frameworks import adapter_for, adapters
from droppath_audit.frameworks.capabilities import Keys, has, names_of
from droppath_audit.targets.bound import BoundTarget
from droppath_audit.targets.origin import package_of, source_of
from droppath_audit.targets.signature import (
    DROP_NAMES,
    KEEP_NAMES,
    bind_class,
    bind_factory,
    bind_function,
    bind_instance,
)
from droppath_audit.targets.spec import PREFIXES, Spec, parse

if TYPE_CHECKING:
    from types import ModuleType

    from droppath_audit.core.known import Known
    from droppath_audit.core.recording import Recording
    from droppath_audit.frameworks.adapter import Adapter
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.targets.binding import Binding


@dataclass(frozen=True)
class Loaded:
    """A target, or a recording of one, with its description."""

    target: BoundTarget | Recording
    facts: Facts


def load(text: str, *, devices: tuple[str, ...] = ("cpu",), imports: tuple[str, ...] = ()) -> Loaded:
    """Load what a SPEC names.

    Args:
        text: The SPEC.
        devices: Devices that must exist.
        imports: Modules to import first, in order.

    Raises:
        UsageError: If it does not parse, cannot be imported, has no such name, is not callable, or has a
            signature that does not settle; or if there is no working directory.
    """
    spec = parse(text)
    working_directory()
    if spec.is_recording:
        from droppath_audit.recordings import describing

        return Loaded(*describing.load(spec.module, spec.text, spec.dialect, devices))
    started = time.perf_counter()
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
    obj = _lookup(module, spec)
    return _describe(obj, spec, devices, started, (*(f"import {name}" for name in before), *_import_lines(spec)))


def _not_installed(known: Known, error: UsageError) -> UsageError:
    """Return the error that says how to install a known implementation; it comes from a module that is missing."""
    missing = getattr(error.__cause__, "name", None)
    commands = "".join(f"\n    {command}" for command in known.install)
    return UsageError(
        f"{known.name} ({known.title}) is not installed in this environment ({sys.executable}): there is no module "
        f"{missing!r}. " + (f"Install it with{commands}" if commands else error.message),
        error.detail,
    )


def load_object(obj: Any, items: dict[str, Any], *, devices: tuple[str, ...] = ("cpu",)) -> Loaded:
    """Describe an object in hand, with the SPEC's items as keyword arguments (``init.NAME`` included).

    Raises:
        UsageError: As for ``load``.
    """
    started = time.perf_counter()
    name = getattr(obj, "__qualname__", type(obj).__qualname__)
    query = query_of(items)
    plain = name.split(".")[-1].strip("<>")
    plain = "target" if keyword.iskeyword(plain) or not plain.isidentifier() else plain
    if not callable(obj):
        raise UsageError(f"The object to audit is not callable; it is of type {type(obj).__name__}.")
    spec = parse(f"object:{plain}" + (f"?{query}" if query else ""))
    module = getattr(obj, "__module__", None)
    home = sys.modules.get(module) if isinstance(module, str) else None
    importable = module not in (None, "__main__") and getattr(home, name, None) is obj
    if importable:
        spec = parse(spec.text.replace("object:", f"{module}:", 1))
    here = f"# {spec.name.replace('.', '_')} is the object that was audited, {name}; it cannot be imported."
    loaded = _describe(obj, spec, devices, started, _import_lines(spec) if importable else (here,))
    if importable:
        return loaded
    return replace(loaded, facts=replace(loaded.facts, spec=f"<{name}>", importable=False))


def query_of(items: dict[str, Any]) -> str:
    """Return items given as Python values as the text of a SPEC after its ``?``.

    Raises:
        UsageError: If a value cannot be written in a SPEC.
    """
    return "&".join(f"{quote(key)}={quote(_text(key, value), safe=_READABLE)}" for key, value in items.items())


_READABLE = "()[]{},:!=/ '\"<>*+;@?#"  # what percent-encoding would only make harder to read


def _text(key: str, value: Any) -> str:
    if isinstance(value, (tuple, list)) and key == "args":
        return json.dumps([_plain(key, part) for part in value])[1:-1]
    if isinstance(value, (tuple, list)) and key == "input":
        return ",".join(str(size) for size in value)
    if isinstance(value, str) and not key.startswith(PREFIXES):
        return value
    text = json.dumps(_plain(key, value))
    return value if isinstance(value, str) and _stays_text(value) else text


def _plain(key: str, value: Any) -> Any:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"{key} is of type {type(value).__name__}, which a SPEC cannot say. Give a factory instead, with "
            "form=factory: a function make(drop_prob) that returns f(x, training) -> y."
        ) from None
    return value


def _stays_text(value: str) -> bool:
    """Return whether a SPEC reads this text as itself, without quotes."""
    try:
        json.loads(value)
    except ValueError:
        return value not in ("True", "False", "None")
    return False


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
            raise UsageError(
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


def _failed(action: str, error: BaseException) -> UsageError:
    """Return the error that reports what somebody else's code raised; to be called where it was caught."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        text = f"{action} failed: it needs the module {error.name!r}, which is not installed"
        return UsageError(f"{text}.", traceback.format_exc())
    text = f"{action} failed with {type(error).__name__}: {_first_line(error)}"
    return UsageError(f"{text.rstrip('.')}. Option -v shows where.", traceback.format_exc())


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


def _lookup(module: ModuleType, spec: Spec) -> Any:
    obj: Any = module
    for part in spec.name.split("."):
        obj = _attribute(obj, part, spec)
    if inspect.ismodule(obj):
        raise UsageError(f"{spec.module}:{spec.name} is a module. Name something in it: {obj.__name__}:NAME")
    if not callable(obj):
        raise UsageError(f"{spec.module}:{spec.name} is not callable; it is of type {type(obj).__name__}.")
    return obj


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


def _bind(obj: Any, spec: Spec, adapter: Adapter, keys: Keys | None) -> Binding:
    if spec.factory:
        return bind_factory(spec)
    try:
        cls = obj.func if isinstance(obj, partial) else obj
        if inspect.isclass(cls):
            if not any("__call__" in vars(base) for base in cls.__mro__):
                raise UsageError(f"Instances of {spec.name} cannot be called: it defines no __call__.")
            init = inspect.signature(obj).parameters
            call = adapter.forward_parameters(cls)
            return bind_class(spec, init, call, has_modes=adapter.has_modes(cls), keys=keys)
        if adapter.is_layer(obj) or _holds_probability(obj, spec):
            cls = type(obj)
            call = adapter.forward_parameters(cls)
            return bind_instance(spec, vars(obj), call, has_modes=adapter.has_modes(cls), keys=keys)
        return bind_function(spec, adapter.function_parameters(obj), keys=keys)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The signature of {spec.name} cannot be read. Wrap it in a factory: FILE.py:make?form=factory, "
            "where make(drop_prob) returns f(x, training) -> y.",
            traceback.format_exc(),
        ) from error


def _holds_probability(obj: Any, spec: Spec) -> bool:
    """Return whether a callable object of no framework has the probability as an attribute."""
    names = {*DROP_NAMES, *KEEP_NAMES} | ({spec.probability.name} if spec.probability is not None else set())
    return not inspect.isroutine(obj) and any(name in getattr(obj, "__dict__", {}) for name in names)


def _describe(obj: Any, spec: Spec, devices: tuple[str, ...], started: float, imports: tuple[str, ...]) -> Loaded:
    adapter = adapter_for(obj, spec.framework)
    framework = _framework(adapter, spec)
    keys = has(framework, Keys)
    binding = _bind(obj, spec, adapter, keys)
    if binding.keyed and keys is None:
        raise UsageError(f"The call of {spec.name} takes a random key, and {adapter.name} {Keys.lacking}.")
    target = BoundTarget(obj, binding, framework)
    version = adapter.version()
    seconds = time.perf_counter() - started
    facts = Facts(
        spec=spec.text,
        stands_for=spec.known.spec if spec.known is not None else "",
        kind=binding.kind,
        origin=source_of(obj),
        package=package_of(obj),
        arguments=binding.describe(),
        dialect=binding.dialect,
        framework=adapter.name,
        framework_version=version,
        devices=adapter.devices(devices),
        evaluates=binding.evaluates,
        fixed_shape=binding.input,
        invocation=binding.invocation(imports),
        capabilities=names_of(framework),
        import_seconds=seconds,
        environment={
            "python": platform.python_version(),
            "platform": platform.platform(),
            adapter.name: version,
            "numpy": importlib.metadata.version("numpy"),
        },
    )
    return Loaded(target, facts)


def _framework(adapter: Adapter, spec: Spec) -> Framework:
    """Return the framework's operations, or refuse a target whose framework is not installed."""
    try:
        adapter.library()
        return adapter.framework()
    except ModuleNotFoundError as error:
        others = ", ".join(other.name for other in adapters() if other is not adapter)
        raise UsageError(
            f"{spec.name} is taken for a target of {adapter.name}, which is not installed."
            + ("" if spec.framework else f" If it is another framework's, say so: framework=NAME, one of {others}."),
            traceback.format_exc(),
        ) from error


def _import_lines(spec: Spec) -> tuple[str, ...]:
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
