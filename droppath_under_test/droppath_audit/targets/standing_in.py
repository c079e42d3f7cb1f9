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
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies, words
from droppath_audit.targets.configuring import NAMES, parameters_of
from droppath_audit.targets.parameters import VARIADIC, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec

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
        for made in (_iterated, _forwarded, _moded, _held, _scheduled, _set, _chosen, _parted):
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
            return _made(found, alias, lines, f"what {spec.name} returns is told its mode by train()")
    return found


def _applied(found: Found, spec: Spec) -> Found | None:
    """Return the ``apply`` of a class whose ``forward`` and ``backward`` are functions of no instance."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    static = [isinstance(inspect.getattr_static(cls, name, None), staticmethod) for name in ("forward", "backward")]
    if not all(static) or not callable(getattr(cls, "apply", None)):
        return None
    parameters = list(inspect.signature(cls.forward).parameters.values())
    owner = next(base for base in cls.__mro__ if "forward" in vars(base))
    parameters = parameters if any(name in vars(owner) for name in CONTEXTS) else parameters[1:]
    heads = [p for p in parameters if p.kind not in VARIADIC]
    passed = ", ".join(p.name for p in heads)  # by position: ``apply`` takes nothing by name
    lines = [f"def {alias}({_heads(heads)}, _of={alias}):", f"    return _of.apply({passed})"]
    return _made(found, alias, lines, f"{spec.name} is called by its apply")


def _heads(parameters: Sequence[Parameter]) -> str:
    """Return parameters as source text; a default that cannot be written becomes None."""
    plain = (bool, int, float, str, type(None))
    return ", ".join(
        p.name if required(p) else f"{p.name}={p.default!r}" if isinstance(p.default, plain) else f"{p.name}=None"
        for p in parameters
    )


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
    return _made(found, alias, lines, f"{spec.name} has no __call__; its {names[0]} is called")


def _iterated(found: Found, spec: Spec) -> Found:
    """Return a class of a list of layers that is iterated over, which skips some; called, it runs one branch so."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    tree = bodies.definition_of(vars(cls).get("__iter__"))
    yields = tree is not None and any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(tree))
    if not yields or {"forward", "__call__"} & {*vars(cls)} or spec.branch:
        return found
    init = parameters_of(cls)
    layers = [name for name in init if {"modules", "layers", "blocks"} & {*words.words(name)}]
    if len(layers) != 1 or {*layers} & {*spec.init}:
        return found
    (name,) = layers
    given = "*[branch]" if init[name].kind is Parameter.VAR_POSITIONAL else f"{name}=[branch]"
    lines = [
        f"class {alias}({alias}):",
        "    def __init__(self, *, branch, **named):",
        f"        super().__init__({given}, **named)",
        "",
        "    def forward(self, x):",
        "        for layer in self:",
        "            x = layer(x)",
        "        return x",
    ]
    made = _made(found, alias, lines, f"{spec.name} is iterated over: its only layer is the branch")
    left = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in init.values() if p.name != name and p.kind not in VARIADIC]
    return _built_from([Parameter("branch", Parameter.KEYWORD_ONLY), *left], made)


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
    made = _made(found, alias, lines, f"its mode is set: {spec.name} reads it off self.{mode}")
    return _signed(made, "__call__", called, [*parameters, Parameter(mode, Parameter.KEYWORD_ONLY)])


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
        return _signed(_made(found, alias, lines, note), name, method, [*left, *told_by_name])
    return found


def _signed(made: Found, name: str, method: Any, parameters: Sequence[Parameter]) -> Found:
    """Return a class that was made, whose call takes these parameters, and whose body is read as that of ``method``."""
    called = vars(made.obj)[name]
    called.__wrapped__ = method
    called.__signature__ = inspect.Signature(sorted(parameters, key=lambda p: p.kind))
    return made


def _scheduled(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor takes a number, where it takes a function that returns the probability."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    init = parameters_of(cls)
    functions = {
        name: rate
        for name in bodies.stored_and_called(cls)
        for rate in ("_".join(word for word in words.words(name) if word not in words.CALLED),)
        if name in init and set(words.words(name)) & words.CALLED and words.probability(rate, spec.name) is not None
    }
    if len(functions) != 1 or spec.probability or {*functions, *functions.values()} & {*spec.init}:
        return found
    ((name, rate),) = functions.items()
    if rate in init:
        return found
    lines = [
        f"class {alias}({alias}):",
        f"    def __init__(self, *, {rate}, **named):",
        f"        super().__init__({name}=lambda *_, **__: {rate}, **named)",
    ]
    left = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in init.values() if p.name != name and p.kind not in VARIADIC]
    made = _made(found, alias, lines, f"{name} is a function that returns {rate}, whatever it is given")
    return _built_from([Parameter(rate, Parameter.KEYWORD_ONLY), *left], made)


def _set(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor takes the probability that one of its methods sets, where it takes none."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    init = parameters_of(cls)
    given = (*init.values(), *parameters_of(getattr(cls, "forward", None) or cls.__call__).values())
    configured = any(set(words.words(name)) & NAMES for name in init)
    if configured or spec.probability or any(words.numeric(p) and words.probability(p.name, spec.name) for p in given):
        return found
    setters = {
        name: said
        for name in dir(cls)
        if name.startswith("set_") and inspect.isfunction(getattr(cls, name))
        for said in (words.probability(name.removeprefix("set_"), spec.name),)
        if said is not None and said[1] > 1 and len(inspect.signature(getattr(cls, name)).parameters) == 2
    }
    if len(setters) != 1:
        return found
    (setter,) = setters
    name = setter.removeprefix("set_")
    lines = [
        f"class {alias}({alias}):",
        f"    def __init__(self, *given, {name}, **named):",
        "        super().__init__(*given, **named)",
        f"        self.{setter}({name})",
    ]
    told = [*init.values(), Parameter(name, Parameter.KEYWORD_ONLY)]
    return _built_from(sorted(told, key=lambda p: p.kind), _made(found, alias, lines, f"{name} is set by {setter}"))


def _chosen(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor takes one probability in place of all of a network and the index of one."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    several, index = bodies.chosen_by(vars(cls).get("__init__"))
    one, init = several.removesuffix("s"), parameters_of(cls)
    free = spec.probability is None and not {several, index} & {*spec.init}
    if not free or one == several or words.probability(one, spec.name) is None or one in init:
        return found
    lines = [
        f"class {alias}({alias}):",
        f"    def __init__(self, *, {one}, **named):",
        f"        super().__init__({several}=[{one}], {index}=0, **named)",
    ]
    left = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in init.values() if p.name not in (several, index)]
    left = [p for p in left if p.kind not in VARIADIC]
    made = _made(found, alias, lines, f"{several} holds {one} alone, which is that of index 0")
    return _built_from([Parameter(one, Parameter.KEYWORD_ONLY), *left], made)


def _parted(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor takes the branch by its name, where it takes its parts by position."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    if spec.args or spec.branch or not bodies.rests_on_parts(cls):
        return found
    lines = [
        f"class {alias}({alias}):",
        "    def __init__(self, *, branch, **named):",
        "        super().__init__(branch, **named)",
    ]
    made = _made(found, alias, lines, f"{spec.name} is given the branch in place of its parts")
    left = [p for p in parameters_of(cls).values() if p.kind is Parameter.KEYWORD_ONLY]
    return _built_from([Parameter("branch", Parameter.KEYWORD_ONLY), *left], made)


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
    made = _made(found, alias, lines, f"{first.name} is a mapping, of which {keys[0]!r} is x")
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
        made = _made(found, alias, lines, f"{name} is an object that holds {' and '.join(held)} alone")
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


def _built_from(parameters: Sequence[Parameter], made: Found) -> Found:
    """Return what was made, a class, whose constructor says that it takes these parameters."""
    own = Parameter("self", Parameter.POSITIONAL_ONLY)
    made.obj.__init__.__signature__ = inspect.Signature([own, *parameters])
    return made


def _made(found: Found, alias: str, lines: Sequence[str], note: str) -> Found:
    """Return what lines define that know the object under its name."""
    names = {alias: found.obj, "SimpleNamespace": SimpleNamespace}
    exec(compile("\n".join(lines), f"<{alias} as it is called>", "exec"), names)  # noqa: S102 - we wrote it
    made: Any = names[alias]
    if inspect.isclass(made):  # by which a pickle is refused: under its name the module has the class itself
        made.__module__, made.__qualname__ = found.obj.__module__, f"<locals>.{found.obj.__qualname__}"
    text = "\n".join(lines)
    imported = ["from types import SimpleNamespace"] if "SimpleNamespace" in text else []
    # As one: a line that two of them share would stand in a script once.
    return replace(found, obj=made, lines=(*found.lines, *imported, "", "", text, ""), notes=(*found.notes, note))
