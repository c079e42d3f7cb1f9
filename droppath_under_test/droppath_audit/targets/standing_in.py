"""What is called in place of what a SPEC names, where that is not called as it stands.

A class of an autograd function is called by its ``apply``, one without ``__call__`` by its ``forward``, and a function
that reads its mode off an object by being given one that has it. What stands in is source text, which scripts contain
as well.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from inspect import Parameter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import bodies, words
from droppath_audit.targets.parameters import VARIADIC, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec

CONTEXTS = ("setup_context",)  # with which the forward of an autograd function takes no context


def standing_in(found: Found, spec: Spec) -> Found:
    """Return what is called in place of what a SPEC names, with its lines and a note; that itself where nothing is."""
    if spec.factory or spec.call:
        return found
    if inspect.isclass(found.obj):
        return _applied(found, spec) or _forwarded(found, spec) or found
    return _told(found, spec) if inspect.isfunction(found.obj) else found


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


def _forwarded(found: Found, spec: Spec) -> Found | None:
    """Return a class that is called by its ``forward``, where it defines no ``__call__``."""
    cls, alias = found.obj, spec.name.replace(".", "_")
    if any("__call__" in vars(base) for base in cls.__mro__) or not inspect.isfunction(getattr(cls, "forward", None)):
        return None
    lines = [f"class {alias}({alias}):", f"    __call__ = {alias}.forward"]
    return _made(found, alias, lines, f"{spec.name} has no __call__; its forward is called")


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


def _made(found: Found, alias: str, lines: Sequence[str], note: str) -> Found:
    """Return what lines define that know the object under its name."""
    names = {alias: found.obj, "SimpleNamespace": SimpleNamespace}
    exec(compile("\n".join(lines), f"<{alias} as it is called>", "exec"), names)  # noqa: S102 - we wrote it
    made: Any = names[alias]
    if inspect.isclass(made):  # by which a pickle is refused: under its name the module has the class itself
        made.__module__, made.__qualname__ = found.obj.__module__, f"<locals>.{found.obj.__qualname__}"
    text = "\n".join(lines)
    imported = ["from types import SimpleNamespace"] if "SimpleNamespace" in text else []
    return replace(found, obj=made, lines=(*found.lines, *imported, "", "", *lines, ""), notes=(*found.notes, note))
