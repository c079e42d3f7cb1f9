"""What is called in place of what a SPEC names, where that is not called as it stands.

A class of an autograd function is called by its ``apply``, one without ``__call__`` by its ``forward``; a probability
that a method sets is an argument of the constructor; a function that reads its mode off an object is given one that has
it, and one that reads x out of a mapping is given that. What stands in is source text, which scripts contain as well.
"""

from __future__ import annotations

import ast
import inspect
from contextlib import suppress
from dataclasses import replace
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies, words
from droppath_audit.targets.configuring import parameters_of
from droppath_audit.targets.constructors import awaited, chosen, iterated, parted, scheduled, set_later, stepped
from droppath_audit.targets.defining import defined, signed
from droppath_audit.targets.parameters import VARIADIC, required
from droppath_audit.targets.table import proposing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec

TOLD_TO_DROP = {"apply", "drop", "forward", "call"}  # words of the names of methods that may
CONTEXTS = ("setup_context",)  # with which the forward of an autograd function takes no context


def standing_in(found: Found, spec: Spec) -> Found:
    """Return what is called in place of what a SPEC names, with its lines and a note; that itself where nothing is.

    Raises:
        UsageError: If it is a mixin, which nothing can be called of alone.
    """
    if spec.factory or not (inspect.isclass(found.obj) or inspect.isfunction(found.obj)):
        return found
    if inspect.isclass(found.obj):
        if asked := bodies.lacking_in_bases(found.obj):
            raise UsageError(
                f"{spec.name} is a mixin: its {asked} asks super() for another {asked}, which none of its bases has. "
                "Name a class that inherits from it."
            )
        applied = _applied(found, spec)
        if applied is not None:
            return applied
        of_init = (scheduled, set_later, chosen, parted, awaited, stepped)
        for made in (iterated, _forwarded, _moded, _held, *of_init):
            found = made(found, spec)
    elif not spec.call:
        found = _told(found, spec)
    return found if spec.call else _keyed(found, spec)  # a declared call is that of what the SPEC names


def switched(found: Found, spec: Spec) -> Found:
    """Return a factory of a function of x and the mode, for one that returns a layer that is switched by train()."""
    alias = spec.name.replace(".", "_")
    with suppress(Exception):  # whatever it raises, the calls will show it
        layer = found.obj(0.5)
        if any(words.mode(name) is not None for name in inspect.signature(layer).parameters):
            return found
        if callable(getattr(layer, "train", None)) and callable(getattr(layer, "eval", None)):
            lines = [
                f"def {alias}(drop_prob, _of={alias}):",
                "    layer = _of(drop_prob)",
                "",
                "    def call(x, training):",
                "        return layer.train(training)(x)",
                "",
                "    return call",
            ]
            return defined(found, alias, lines, f"what {spec.name} returns is told its mode by train()")
    return found


def of_its_class(found: Found, spec: Spec) -> Found:
    """Return the class of an autograd function whose ``apply`` a SPEC names, which says nothing of what it takes."""
    cls, alias = getattr(found.obj, "__self__", None), spec.name.replace(".", "_")
    if not inspect.isclass(cls) or found.obj.__name__ != "apply" or not _is_function(cls):
        return found
    return replace(found, obj=cls, lines=(*found.lines, f"{alias} = {alias}.__self__"))


def _is_function(cls: Any) -> bool:
    """Return whether ``forward`` and ``backward`` of a class are functions of no instance."""
    static = [isinstance(inspect.getattr_static(cls, name, None), staticmethod) for name in ("forward", "backward")]
    return all(static) and callable(getattr(cls, "apply", None))


def _applied(found: Found, spec: Spec) -> Found | None:
    """Return the ``apply`` of a class whose ``forward`` and ``backward`` are functions of no instance."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    if not _is_function(cls):
        return None
    parameters = list(inspect.signature(cls.forward).parameters.values())
    owner = next(base for base in cls.__mro__ if "forward" in vars(base))
    parameters = parameters if any(name in vars(owner) for name in CONTEXTS) else parameters[1:]
    heads = [p for p in parameters if p.kind not in VARIADIC]
    passed = ", ".join(p.name for p in heads)  # by position: ``apply`` takes nothing by name
    lines = [f"def {alias}({_heads(heads)}, _of={alias}):", f"    return _of.apply({passed})"]
    return defined(found, alias, lines, f"{cls.__name__} is called by its apply")


def _heads(parameters: Sequence[Parameter]) -> str:
    """Return parameters as source text; a default that cannot be written becomes None."""
    return ", ".join(p.name if required(p) else f"{p.name}={_written(p.default)}" for p in parameters)


def _written(value: Any) -> str:
    """Return a value as source text; None of what has no such text, such as a tensor."""
    with suppress(Exception):
        if ast.literal_eval(text := repr(value)) == value:
            return text
    return "None"


def uncallable(cls: Any, spec: Spec) -> UsageError:
    """Return the error of a class without ``__call__``, with a command for a method of it that may drop."""
    reason = f"Instances of {spec.name} cannot be called: it defines no __call__."
    drop = [name for name in bodies.methods_of(cls) if words.drops(name) or {*words.words(name)} & TOLD_TO_DROP]
    if not drop:
        return UsageError(reason)
    place, _, query = spec.text.partition("?")
    method = f"{place}.{drop[0]}{f'?{query}' if query else ''}"
    return UsageError(reason, advice=" If a method of it drops, run next:", command=proposing(method))


def _forwarded(found: Found, spec: Spec) -> Found:
    """Return a class that is called by its ``forward``, or by its only public method, where it has no ``__call__``."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    if any("__call__" in vars(base) for base in cls.__mro__):
        return found
    public = [name for name in dir(cls) if not name.startswith("_") and inspect.isfunction(getattr(cls, name))]
    takes = [name for name in public if len(inspect.signature(getattr(cls, name)).parameters) > 1]
    names = ["forward"] if "forward" in public else takes
    if len(names) != 1:
        return found
    lines = [f"class {alias}({alias}):", f"    __call__ = {alias}.{names[0]}"]
    return defined(found, alias, lines, f"{spec.name} has no __call__; its {names[0]} is called")


def _moded(found: Found, spec: Spec) -> Found:
    """Return a class that is told its mode in the call, where it has no train() and reads it off an own attribute."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    called = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
    if hasattr(cls, "train") or not inspect.isfunction(called) or spec.mode:
        return found
    parameters = [*inspect.signature(called).parameters.values()]
    told = [p.name for p in (*parameters, *parameters_of(cls).values()) if words.mode(p.name) is not None]
    modes = [name for name in bodies.set_to_a_constant(cls) if words.mode(name) is not None]
    if told or len(modes) != 1:
        return found
    (mode,) = modes
    lines = [
        f"class {alias}({alias}):",
        f"    def __call__(self, *given, {mode}, **named):",
        f"        self.{mode} = {mode}",
        "        return super().__call__(*given, **named)",
    ]
    made = defined(found, alias, lines, f"its mode is set: {spec.name} reads it off self.{mode}")
    return signed(made, "__call__", called, [*parameters, Parameter(mode, Parameter.KEYWORD_ONLY)])


def _held(found: Found, spec: Spec) -> Found:
    """Return a class whose call is told the probability that it reads off an object, and hands that on at most."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    name = "forward" if hasattr(cls, "forward") else "__call__"
    method = getattr(cls, name)
    tree = bodies.definition_of(method) if inspect.isfunction(method) else None
    if tree is None or spec.probability or spec.call:
        return found
    parameters = [*inspect.signature(method).parameters.values()]
    told = (*parameters[1:], *parameters_of(cls).values())
    if any(words.numeric(p) and words.probability(p.name, spec.name) for p in told):
        return found
    for parameter in parameters[2:]:
        held = bodies.attributes(tree, parameter.name)
        known = [words.probability(one, spec.name) or words.mode(one) is not None for one in held]
        if not required(parameter) or not held or not all(known) or not bodies.read_or_handed_on(tree, parameter.name):
            continue
        given = ", ".join(f"{one}={one}" for one in held)
        lines = [
            f"class {alias}({alias}):",
            f"    def {name}(self, *given, {', '.join(held)}, **named):",
            f"        return super().{name}(*given, {parameter.name}=SimpleNamespace({given}), **named)",
        ]
        note = f"{parameter.name} is an object that holds {' and '.join(held)} alone"
        left = [p for p in parameters if p is not parameter]
        told_by_name = [Parameter(one, Parameter.KEYWORD_ONLY) for one in held]
        return signed(defined(found, alias, lines, note), name, method, [*left, *told_by_name])
    return found


def _keyed(found: Found, spec: Spec) -> Found:
    """Return what is given x, where that stands in a mapping of which one key is read."""
    obj, alias = found.obj, spec.name.replace(".", "_")
    cls = inspect.isclass(obj)
    name = "forward" if cls and hasattr(obj, "forward") else "__call__"
    method = getattr(obj, name) if cls else obj
    if not inspect.isfunction(method):
        return found
    tree, parameters = bodies.definition_of(method), [*inspect.signature(method).parameters.values()]
    if tree is None or not parameters[cls:]:
        return found
    first, *others = parameters[cls:]
    keys = bodies.keys(tree, first.name) if required(first) else []
    if len(keys) != 1:
        return found
    if cls:
        lines = [
            f"class {alias}({alias}):",
            f"    def {name}(self, x, *given, **named):",
            f"        return super().{name}({{{keys[0]!r}: x}}, *given, **named)",
        ]
    else:
        lines = [
            f"def {alias}(x, *given, _of={alias}, **named):",
            f"    return _of({{{keys[0]!r}: x}}, *given, **named)",
        ]
    made = defined(found, alias, lines, f"{first.name} is a mapping, of which {keys[0]!r} is x")
    told = inspect.Signature([*parameters[:cls], first.replace(name="x", annotation=Parameter.empty), *others])
    (getattr(made.obj, name) if cls else made.obj).__signature__ = told
    return made


def _told(found: Found, spec: Spec) -> Found:
    """Return a function that is told what it reads off an object: its mode, and its probability."""
    tree, alias = bodies.definition_of(found.obj), spec.name.replace(".", "_")
    parameters = inspect.signature(found.obj).parameters
    if tree is None:
        return found
    first = next(iter(parameters), "")
    for name, parameter in parameters.items():
        if name in spec.arg or not required(parameter) or not _read_alone(tree, name):
            continue
        held = bodies.attributes(tree, name)
        modes = [attribute for attribute in held if words.mode(attribute) is not None]
        others = [attribute for attribute in held if attribute not in modes]
        if not modes or any(words.probability(attribute, spec.name) is None for attribute in others):
            continue
        told = ", ".join(f"{attribute}={attribute}" for attribute in held)
        given = f"SimpleNamespace({told}), *given" if name == first else f"*given, {name}=SimpleNamespace({told})"
        lines = [
            f"def {alias}(*given, {', '.join(held)}, _of={alias}, **named):",
            f"    return _of({given}, **named)",
        ]
        made = defined(found, alias, lines, f"{name} is an object that holds {' and '.join(held)} alone")
        left = [p for p in parameters.values() if p is not parameter and p.name not in held]
        told_by_name = [Parameter(attribute, Parameter.KEYWORD_ONLY) for attribute in held]
        order = sorted([*left, *told_by_name], key=lambda p: p.kind)
        made.obj.__signature__ = inspect.Signature(order)
        return made
    return found


def _read_alone(tree: ast.AST, name: str) -> bool:
    """Return whether attributes of an argument are read, and nothing else is done with it."""
    nodes = [*ast.walk(tree)]
    named = [node for node in nodes if bodies.is_name(node, name)]
    read = [node for node in nodes if isinstance(node, ast.Attribute) and bodies.is_name(node.value, name)]
    return len(named) == len(read) > 0 and all(isinstance(node.ctx, ast.Load) for node in read)
