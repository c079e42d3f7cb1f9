"""What is constructed in place of a class, whose constructor takes neither a probability nor a branch as it stands."""

from __future__ import annotations

import ast
import inspect
from inspect import Parameter
from typing import TYPE_CHECKING

from droppath_audit.targets import bodies, words
from droppath_audit.targets.configuring import NAMES, parameters_of
from droppath_audit.targets.defining import built_from, defined
from droppath_audit.targets.parameters import VARIADIC, required

STEPS = 10_000  # of a layer whose probability rises by degrees

if TYPE_CHECKING:
    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec


def iterated(found: Found, spec: Spec) -> Found:
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
    made = defined(found, alias, lines, f"{spec.name} is iterated over: its only layer is the branch")
    left = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in init.values() if p.name != name and p.kind not in VARIADIC]
    return built_from([Parameter("branch", Parameter.KEYWORD_ONLY), *left], made)


def scheduled(found: Found, spec: Spec) -> Found:
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
    made = defined(found, alias, lines, f"{name} is a function that returns {rate}, whatever it is given")
    return built_from([Parameter(rate, Parameter.KEYWORD_ONLY), *left], made)


def set_later(found: Found, spec: Spec) -> Found:
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
    return built_from(sorted(told, key=lambda p: p.kind), defined(found, alias, lines, f"{name} is set by {setter}"))


def chosen(found: Found, spec: Spec) -> Found:
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
    made = defined(found, alias, lines, f"{several} holds {one} alone, which is that of index 0")
    return built_from([Parameter(one, Parameter.KEYWORD_ONLY), *left], made)


def parted(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor takes the branch by its name, where it takes its parts by position."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    if spec.args or spec.branch or not bodies.rests_on_parts(cls):
        return found
    lines = [
        f"class {alias}({alias}):",
        "    def __init__(self, *, branch, **named):",
        "        super().__init__(branch, **named)",
    ]
    made = defined(found, alias, lines, f"{spec.name} is given the branch in place of its parts")
    left = [p for p in parameters_of(cls).values() if p.kind is Parameter.KEYWORD_ONLY]
    return built_from([Parameter("branch", Parameter.KEYWORD_ONLY), *left], made)


def awaited(found: Found, spec: Spec) -> Found:
    """Return a class whose constructor calls the method that sets what its call counts by, such as ``set_epoch``.

    It is given 0, the first of a table, or how many there are where the constructor must be told that: what is reached
    by degrees is reached then.
    """
    cls, alias = found.obj, spec.name.replace(".", "_")
    missing = _set_elsewhere(cls, "forward" if hasattr(cls, "forward") else "__call__")
    counted = {name: method for name, method in missing.items() if words.STEPS & {*words.words(name)}}
    if len(counted) != 1 or {*missing} != {*counted}:
        return found
    ((name, method),) = counted.items()
    init = parameters_of(cls)
    totals = [p.name for p in init.values() if required(p) and words.OF_STEPS & {*words.words(p.name)}]
    reached = totals[0] if len(totals) == 1 and not _looked_up(cls, name) else ""
    taken = f", {reached}" if reached else ""
    lines = [
        f"class {alias}({alias}):",
        f"    def __init__(self, *given{taken}, **named):",
        f"        super().__init__(*given{f'{taken}={reached}' if reached else ''}, **named)",
        f"        self.{method}({reached or 0})",
    ]
    made = defined(found, alias, lines, f"{method}({reached or 0}) is called first, without which there is no {name}")
    told = [p.replace(kind=Parameter.KEYWORD_ONLY) if p.name == reached else p for p in init.values()]
    return built_from(sorted(told, key=lambda p: p.kind), made)


def stepped(found: Found, spec: Spec) -> Found:
    """Return a class that is stepped once it is constructed until its probability stays, where it begins at nothing."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    trees = {name: bodies.definition_of(method) for name, method in bodies.methods_of(cls).items()}
    begins = {
        target.attr
        for target, value in bodies.assignments(trees.get("__init__"))
        if isinstance(target, ast.Attribute) and isinstance(value, ast.Constant) and value.value in (0, 0.0)
        if words.probability(target.attr, spec.name) is not None
    }
    steps = {
        name: target.attr
        for name, tree in trees.items()
        for target, _ in bodies.assignments(tree)
        if isinstance(target, ast.Attribute) and target.attr in begins
        if words.STEPPING & {*words.words(name)} and len(inspect.signature(getattr(cls, name)).parameters) == 1
    }
    if len(steps) != 1:
        return found
    ((step, rate),) = steps.items()
    lines = [
        f"class {alias}({alias}):",
        "    def __init__(self, *given, **named):",
        "        super().__init__(*given, **named)",
        f"        for _ in range({STEPS}):",
        f"            before = self.{rate}",
        f"            self.{step}()",
        f"            if before == self.{rate} != 0:",
        "                break",
    ]
    note = f"{step}() is called until {rate} stays, at most {STEPS:,} times; it begins at 0"
    return built_from([*parameters_of(cls).values()], defined(found, alias, lines, note))


def _set_elsewhere(cls: type, name: str) -> dict[str, str]:
    """Return the attributes that a method reads and no constructor sets, each with the only method that is told it."""
    methods = bodies.methods_of(cls)
    trees = {one: bodies.definition_of(method) for one, method in methods.items()}
    called = trees.get(name)
    read = bodies.attributes(called, "self") if called is not None else []
    found: dict[str, list[str]] = {one: [] for one in read if not hasattr(cls, one)}
    for method, tree in trees.items():
        told = [p.name for p in inspect.signature(methods[method]).parameters.values()][1:]
        for target, value in bodies.assignments(tree):
            if isinstance(target, ast.Attribute) and bodies.is_name(target.value, "self") and target.attr in found:
                only = len(told) == 1 and method != "__init__" and bodies.is_name(value, *told)
                found[target.attr].append(method if only else "")
    return {one: set_by[0] for one, set_by in found.items() if len(set_by) == 1 and set_by[0]}


def _looked_up(cls: type, name: str) -> bool:
    """Return whether a class takes something out of a table by one of its attributes."""
    trees = [bodies.definition_of(method) for method in bodies.methods_of(cls).values()]
    nodes = (node for tree in trees if tree is not None for node in ast.walk(tree))
    return any(isinstance(node, ast.Subscript) and name in bodies.attributes(node.slice, "self") for node in nodes)
