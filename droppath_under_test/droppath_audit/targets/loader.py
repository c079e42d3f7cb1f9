"""From a parsed SPEC, or an object in hand, to a driven target and its description."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import keyword
import platform
import sys
import time
import traceback
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType, MethodType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import Facts
from droppath_audit.core.search_path import working_directory
from droppath_audit.frameworks import adapter_for, adapters
from droppath_audit.frameworks.capabilities import Keys, Layouts, Sources, Surroundings, has, names_of
from droppath_audit.frameworks.executions import Executions
from droppath_audit.targets import blocks, proposing, words
from droppath_audit.targets.bodies import (
    calls,
    droppers,
    handed_on,
    moded,
    parts_made,
    passed_on,
    stored_and_called,
    taken_alike,
    tensors,
    unpacked,
)
from droppath_audit.targets.bound import BoundTarget
from droppath_audit.targets.configuring import configured
from droppath_audit.targets.factors import dropped_out, factors
from droppath_audit.targets.importing import Found, find, import_lines
from droppath_audit.targets.items import PREFIXES
from droppath_audit.targets.listed import copied, listed
from droppath_audit.targets.origin import package_of, source_of
from droppath_audit.targets.own_code import named_by, numbers, own_functions
from droppath_audit.targets.parameters import Sides, required
from droppath_audit.targets.recognising import makes_layers
from droppath_audit.targets.settling import bind_factory, draft, settle
from droppath_audit.targets.spec import Spec, parse
from droppath_audit.targets.standing_in import of_its_class, standing_in, switched, uncallable
from droppath_audit.targets.table import proposing as proposing_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from inspect import Parameter

    from droppath_audit.core.recording import Recording
    from droppath_audit.frameworks.adapter import Adapter
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.targets.proposing import Proposal


@dataclass(frozen=True)
class Loaded:
    """A target, or a recording of one, with its description.

    Attributes:
        target: What is audited.
        facts: What is known of it.
        admitted: Whether that includes what its calls have shown; see ``run.admitting``.
    """

    target: BoundTarget | Recording
    facts: Facts
    admitted: bool = False


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
    found = find(spec, imports)
    if makes_layers(found.obj, spec):
        spec = replace(spec, factory=True)
        note = "form=factory: it takes a probability, and nothing that could be dropped"
        found = switched(replace(found, notes=(note,)), spec)
    proposal = None if spec.factory else method_of(found, spec)
    if proposal is None:
        obj, source, spec = _driven(found, spec)
        return _describe(obj, spec, devices, started, source)
    make = _from_method(proposal, found, spec)
    items = parse(f"{spec.module}:make?{'&'.join(proposal.items)}")
    dialect = {**items.dialect, **spec.dialect}
    driven = replace(spec, name="make", factory=True, mode=items.mode or spec.mode, dialect=dialect)
    note = f"{spec.name} is a method; it is called on a stand-in for its object"
    return _describe(make, driven, devices, started, replace(found, lines=(proposal.text.rstrip(),), notes=(note,)))


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
    found = Found(obj, None, import_lines(spec) if importable else (here,))
    made, source, driven = _driven(found, spec)
    loaded = _describe(made, driven, devices, started, source)
    if importable:
        return loaded
    return replace(loaded, facts=replace(loaded.facts, spec=f"<{name}>", importable=False))


def proposed(text: str, imports: tuple[str, ...] = (), *, runs: Callable[[Proposal], bool] | None = None) -> Proposal:
    """Return a factory for what a SPEC names.

    Args:
        text: The SPEC.
        imports: Modules to import first, in order.
        runs: Tells whether a factory runs; without it none is written for a block that drops by itself.

    Raises:
        UsageError: If it cannot be imported or read, is a factory or a recording, or contradicts its items.
    """
    spec = parse(text)
    working_directory()
    if spec.factory or spec.is_recording:
        raise UsageError(
            f"{text} needs no factory: it is {'one' if spec.factory else 'a recording, which is not called'}."
        )
    found = find(spec, imports)
    method = method_of(found, spec)
    if method is not None:
        return method
    adapter = adapter_for(found.obj, spec.framework)
    obj, found, spec = _driven(found, spec)
    sides = sides_of(obj, spec, adapter, has(framework_of(adapter, spec), Keys))
    binding, _ = draft(spec, sides)
    layer = proposing.layer(binding, sides, found.lines)
    if runs is None or (layer.complete and runs(layer)):
        return layer
    guess = next((one for one in proposing.guesses(layer, sides) if runs(one)), None)
    return guess or blocks.block(obj, binding, sides, found.lines, framework_of(adapter, spec)) or layer


def _driven(found: Found, spec: Spec) -> tuple[Any, Found, Spec]:
    """Return what is driven of what a SPEC names, with what that is, its lines, and what is left to say."""
    if spec.factory:
        return found.obj, found, spec
    found = of_its_class(found, spec)
    obj, made, left = configured(standing_in(found, spec), spec)
    return obj, replace(made, obj=found.obj), left


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


def sides_of(obj: Any, spec: Spec, adapter: Adapter, keys: Keys | None) -> Sides:
    """Return what an object offers to be read.

    Raises:
        UsageError: If its signature cannot be read, or its instances cannot be called.
    """
    try:
        cls = obj.func if isinstance(obj, partial) else obj
        if inspect.isclass(cls):
            if not any("__call__" in vars(base) for base in cls.__mro__):
                raise uncallable(cls, spec)
            init = inspect.signature(obj).parameters
            call, method = _call(cls, adapter)
            sides = Sides("class", call, init, has_modes=adapter.has_modes(cls), keys=keys)
            sides = _with_body(sides, method)
            return replace(
                sides, source=_source(cls, init, keys), called=stored_and_called(obj), parts=parts_made(cls),
                factors=factors(cls), dropped_out=dropped_out(cls), droppers=droppers(cls), listed=listed(cls),
                copied=copied(cls),
            )  # fmt: skip
        if adapter.is_layer(obj) or _holds_probability(obj, spec):
            cls = type(obj)
            call, method = _call(cls, adapter)
            sides = Sides("instance", call, attributes=vars(obj), has_modes=adapter.has_modes(cls), keys=keys)
            return _with_body(sides, method)
        return _with_body(Sides("function", adapter.function_parameters(obj), keys=keys, factors=factors(obj)), obj)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The signature of {spec.name} cannot be read. Wrap it in a factory: FILE.py:make?form=factory, "
            "where make(drop_prob) returns f(x, training) -> y.",
            traceback.format_exc(),
        ) from error


def _with_body(sides: Sides, method: Any) -> Sides:
    """Return the sides with what the body of the call does with its arguments."""
    return replace(
        sides, passed=passed_on(method), tensors=tensors(method), moded=moded(method), unpacked=unpacked(method),
        alike=taken_alike(method), method=method,
    )  # fmt: skip


def _source(cls: Any, init: Mapping[str, Parameter], keys: Keys | None) -> str:
    """Return the argument of a constructor that takes a generator, where it must, or makes an own one without it."""
    named = [init[name] for name in words.KEYS if name in init and words.annotated(init[name]) not in words.NUMBERS]
    needed = [parameter.name for parameter in named if required(parameter) or calls(cls.__init__, "default_rng")]
    return needed[0] if needed and isinstance(keys, Sources) else ""


def _call(cls: type, adapter: Adapter) -> tuple[Mapping[str, Parameter], Any]:
    """Return the parameters of a class's call, and its method; those of the method that it hands all on to."""
    method = adapter.called(cls)
    other = getattr(cls, handed_on(method) or "forward", None)
    if other is None or not handed_on(method):
        return adapter.forward_parameters(cls), method
    return dict(list(inspect.signature(other).parameters.items())[1:]), other


def method_of(found: Found, spec: Spec) -> Proposal | None:
    """Return a factory that calls a method on a stand-in, where the SPEC names a method of a class."""
    name = spec.name.rpartition(".")[2]
    if not inspect.isclass(found.owner) or not isinstance(
        inspect.getattr_static(found.owner, name, None), FunctionType
    ):
        return None
    owner = replace(spec, name=spec.name.rpartition(".")[0])
    alias = owner.name.replace(".", "_")
    lines = (
        *(line for line in found.lines if line.startswith("import ") and "runpy" not in line),
        *import_lines(owner),
    )
    return proposing.method(alias, name, lines, found.owner, found.obj)


def _from_method(proposal: Proposal, found: Found, spec: Spec) -> Any:
    """Return the factory that a proposal for a method defines.

    Raises:
        UsageError: If somebody has to fill something in first.
    """
    owner = spec.name.rpartition(".")[0].replace(".", "_")
    if not proposal.complete:
        missing = [line.partition("=")[0].strip() for line in proposal.text.splitlines() if proposing.MARK in line]
        raise UsageError(
            f"{spec.name} is a method, and a stand-in for its object needs {', '.join(missing)}.",
            advice="\nRun next, and fill in the marked lines of the factory that it writes:",
            command=proposing_command(spec.text),
        )
    # Not the whole text, which would import the target a second time.
    names = {"MethodType": MethodType, "SimpleNamespace": SimpleNamespace, owner: found.owner}
    exec(compile(proposal.make, f"<stand-in for {spec.name}>", "exec"), names)  # noqa: S102 - we wrote it
    return names["make"]


def _holds_probability(obj: Any, spec: Spec) -> bool:
    """Return whether a callable object of no framework has the probability as an attribute."""
    declared = spec.probability.name if spec.probability is not None else None
    held = getattr(obj, "__dict__", {})
    return not inspect.isroutine(obj) and any(
        name == declared or words.probability(name, type(obj).__name__) is not None for name in held
    )


def _describe(obj: Any, spec: Spec, devices: tuple[str, ...], started: float, found: Found) -> Loaded:
    """Return a target with its description.

    Args:
        obj: What is driven.
        spec: What was declared.
        devices: Devices asked for.
        started: When loading began.
        found: What the SPEC names, which is another object where a factory stands in for it.
    """
    adapter = adapter_for(found.obj, spec.framework)
    framework = framework_of(adapter, spec)
    keys = has(framework, Keys)
    binding = bind_factory(spec) if spec.factory else settle(spec, sides_of(obj, spec, adapter, keys))
    if binding.keyed and keys is None:
        raise UsageError(f"The call of {spec.name} takes a random key, and {adapter.name} {Keys.lacking}.")
    named = getattr(found.obj, "__name__", "")  # of a method, too, for which a factory stands
    binding = replace(binding, says_mask=bool(words.MASK & set(words.words(named))))
    target = BoundTarget(obj, binding, framework)
    version, layouts, around = adapter.version(), has(framework, Layouts), has(framework, Surroundings)
    executions = has(framework, Executions)
    seconds = time.perf_counter() - started
    facts = Facts(
        spec=spec.text,
        stands_for=spec.known.spec if spec.known is not None else "",
        kind=binding.kind,
        origin=source_of(named_by(found.obj) or found.obj),
        factory=source_of(found.obj) if named_by(found.obj) else "",
        package=package_of(found.obj),
        arguments=binding.describe(),
        called=binding.called(),
        notes=(*found.notes, *binding.notes),
        dialect=binding.dialect,
        framework=adapter.name,
        framework_version=version,
        devices=adapter.devices(devices),
        dtypes=spec.dtypes,
        evaluates=binding.evaluates,
        fixed_shape=binding.input,
        invocation=binding.invocation(found.lines),
        layouts=layouts.layouts if layouts else (),
        surroundings=(*around.surroundings, *around.processwide) if around else (),
        capabilities=names_of(framework),
        variants=dict(executions.variants) if executions else {},
        numbers=numbers(own_functions(found.obj)),
        import_seconds=seconds,
        environment={
            "python": platform.python_version(),
            "platform": platform.platform(),
            adapter.name: version,
            "numpy": importlib.metadata.version("numpy"),
        },
    )
    return Loaded(target, facts)


def framework_of(adapter: Adapter, spec: Spec) -> Framework:
    """Return the framework's operations, importing the framework before them.

    Raises:
        UsageError: If it is not installed.
    """
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
