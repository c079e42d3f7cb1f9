"""What an object is, by its signature and its body: what makes layers, and what wraps a branch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import words
from droppath_audit.targets.parameters import VARIADIC, refuse_unknown, required

if TYPE_CHECKING:
    from inspect import Parameter

    from droppath_audit.targets.parameters import Sides
    from droppath_audit.targets.spec import Spec


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


def branch_of(spec: Spec, sides: Sides, bound: set[str]) -> str | None:
    """Return the argument of the constructor that takes the branch.

    Raises:
        UsageError: If ``branch=`` names none.
    """
    if spec.branch:
        refuse_unknown(spec, sides.init, [spec.branch])
        return spec.branch
    open_ = {name: p for name, p in sides.init.items() if name not in bound and required(p) and _may_be_module(p)}
    for name in open_:
        if words.function(name):
            return name
    modules = [name for name, p in open_.items() if "Module" in words.annotated(p) or name in sides.called]
    return modules[0] if len(modules) == 1 else None


def _may_be_module(parameter: Parameter) -> bool:
    annotation = words.annotated(parameter)
    return not any(word in annotation.split("[")[0].split() for word in (*words.NUMBERS, "Tensor"))
