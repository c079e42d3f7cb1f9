"""What an object is, by its signature and its body: what makes layers, and what wraps a branch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import words
from droppath_audit.targets.parameters import STACK, VARIADIC, refuse_unknown, required

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from inspect import Parameter

    from droppath_audit.targets.parameters import Sides
    from droppath_audit.targets.spec import Spec
    from droppath_audit.targets.table import Table

UNDOUBTED = ("p", "prob", "rate")  # what everybody calls it


def makes_layers(obj: Any, spec: Spec) -> bool:
    """Return whether a function takes a drop probability alone, so that what it returns is to be called.

    Args:
        obj: What the SPEC names.
        spec: What it declares; nothing, if it is to be read so.
    """
    if spec.factory or not inspect.isfunction(obj) or spec.probability or spec.call or spec.mode or spec.arg:
        return False
    parameters = list(inspect.signature(obj).parameters.values())
    if len(parameters) != 1 or parameters[0].kind in VARIADIC or not words.numeric(parameters[0]):
        return False
    said = words.probability(parameters[0].name, spec.name)
    return said is not None and said[0] == "drop"


def probability_of(name: str, of: str, sides: Sides) -> tuple[words.Meaning, int] | None:
    """Return what an argument says of a probability, and how surely, as ``words.probability`` does.

    A number alone, such as ``p``, is what is kept where the body multiplies or divides by it as it is.
    """
    said = words.probability(name, of)
    return ("keep", said[1]) if said is not None and _told_by_body(name, sides) else said


def reading_of(name: str, meaning: words.Meaning, sure: int, sides: Sides) -> str:
    """Return what the header says of a probability that its name alone does not prove; empty where it does."""
    if _told_by_body(name, sides):
        return f"{name} is the keep probability, since the body scales by it as it is"
    doubted = sure < 3 and name not in UNDOUBTED
    return f"{name} is the {meaning} probability, by its name" if doubted else ""


def _told_by_body(name: str, sides: Sides) -> bool:
    parameter = sides.init.get(name) or sides.call.get(name)
    drops_nothing = parameter is not None and parameter.default == 0.0  # unless it is told to
    told_by_name = set(words.words(name)) & (words.DROPPING | words.KEEPING)
    return name in sides.factors and not drops_nothing and not told_by_name


def switched_on(sides: Sides, given: Collection[str], table: Table) -> dict[str, bool]:
    """Return the arguments that switch dropping paths on and are off unless they are given, each with True."""
    parameters = sides.init if sides.kind == "class" else sides.call
    found = [name for name, p in parameters.items() if p.default is False and name not in given and words.switch(name)]
    for name in found:
        table.note(f"{name}=true: without it no path is dropped")
    return dict.fromkeys(found, True)


def place_of(spec: Spec, sides: Sides, given: Mapping[str, Any]) -> tuple[str, dict[str, int]]:
    """Return the item that says which layer of a stack this is, and values for it and for the size of the stack.

    A layer of a stack may drop at a share of the rate that it is given, and one of them alone at that rate: which,
    calls have to show. Values are for arguments that must be given one. A bare ``layer`` is such an argument where
    another says how many there are.

    Args:
        spec: What was declared; an argument that it gives a value stays as it is.
        sides: What can be read.
        given: Values of arguments of the constructor.
    """
    for prefix, parameters, told in (("init", sides.init, given), ("arg", sides.call, spec.arg)):
        free = {
            name: p for name, p in parameters.items()
            if p.kind not in VARIADIC and words.annotated(p) in ("", "int") and not isinstance(p.default, (bool, str))
        }  # fmt: skip
        stacks = [name for name in free if words.stack(name)]
        for name in free:
            held = name in sides.called or name in sides.copied
            sure = bool(set(words.words(name)) & words.WHICH) or (bool(stacks) and not held)
            if words.place(name) and sure and not words.batch_index(name, spec.name):
                if name in told:
                    return "", {}
                values = {name: 1, **dict.fromkeys(stacks, STACK)}
                return f"{prefix}.{name}", {
                    key: n for key, n in values.items() if key not in told and required(free[key])
                }
    return "", {}


def branch_of(spec: Spec, sides: Sides, bound: set[str]) -> str | None:
    """Return the argument of the constructor that takes the branch.

    Raises:
        UsageError: If ``branch=`` names none.
    """
    if spec.branch:
        refuse_unknown(spec, sides.init, [spec.branch])
        return spec.branch
    # Of a layer that is copied several are called: one that changes nothing would hide whether one of them was.
    left = {name: p for name, p in sides.init.items() if name not in bound and name not in sides.copied}
    open_ = {name: p for name, p in left.items() if required(p) and _may_be_module(p)}
    for name in open_:
        if words.function(name):
            return name
    several = [name for name in open_ if name in sides.listed]
    if len(several) == 1:
        return several[0]
    modules = [name for name, p in open_.items() if "Module" in words.annotated(p) or name in sides.called]
    variadic = inspect.Parameter.VAR_POSITIONAL
    modules += [name for name, p in sides.init.items() if p.kind is variadic and name in sides.called and not spec.args]
    return modules[0] if len(modules) == 1 else None


def _may_be_module(parameter: Parameter) -> bool:
    annotation = words.annotated(parameter)
    return not any(word in annotation.split("[")[0].split() for word in (*words.NUMBERS, "Tensor"))
