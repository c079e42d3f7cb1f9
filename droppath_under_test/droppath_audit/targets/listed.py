"""Arguments of a constructor that a stack of layers is made of: several that are called in turn, or one to copy."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from droppath_audit.targets import words
from droppath_audit.targets.bodies import argument_names, assignments, definition_of, methods_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTS = {"ModuleList", "Sequential"}  # what is handed to the first is a list of layers, or to the second with a star
COPYING = {"copy", "deepcopy", "clone", "clones", "copies", "repeat"}  # words of the names of what makes several of one
THROUGH = {"reversed", "list", "tuple", "iter", *LISTS}  # what hands on the parts of a list


def listed(cls: type) -> set[str]:
    """Return the arguments of a class's constructor whose parts are layers: put into a list of such, or called."""
    methods = methods_of(cls)
    made = definition_of(methods.get("__init__"))
    if made is None:
        return set()
    names = {name: name for name in argument_names(made)}
    held = {
        ast.unparse(target): one
        for target, stored in assignments(made)
        for one in _handed_on(stored)
        if isinstance(target, ast.Attribute) and one in names
    }
    found = {one for node in ast.walk(made) if _is_list(node) for one in _handed_on(node)}
    for name, method in methods.items():
        tree = made if name == "__init__" else definition_of(method)
        found |= set() if tree is None else {{**names, **held}.get(one, "") for one in _called_in_turn(tree)}
    return found & set(names)


def copied(cls: type) -> set[str]:
    """Return the arguments of a class's constructor that are copied: ``clones(layer, n)``, ``deepcopy(layer)``."""
    made = definition_of(methods_of(cls).get("__init__"))
    if made is None:
        return set()
    calls = (node for node in ast.walk(made) if isinstance(node, ast.Call))
    given = (part for node in calls if COPYING & {*words.words(name_of(node.func))} for part in node.args)
    return {part.id for part in given if isinstance(part, ast.Name)} & argument_names(made)


def _is_list(node: ast.AST) -> bool:
    """Return whether a node makes a list of layers."""
    return isinstance(node, ast.Call) and name_of(node.func) in LISTS


def _handed_on(node: ast.expr | ast.AST) -> Iterator[str]:
    """Yield the texts of what an expression has its parts from, as they are."""
    if isinstance(node, ast.Call) and name_of(node.func) in THROUGH:
        for argument in node.args:
            if name_of(node.func) != "Sequential" or isinstance(argument, ast.Starred):
                yield from _handed_on(argument)
    elif isinstance(node, ast.Starred):
        yield from _handed_on(node.value)
    elif isinstance(node, (ast.List, ast.Tuple)):
        yield from (text for part in node.elts if isinstance(part, ast.Starred) for text in _handed_on(part))
    elif isinstance(node, (ast.Name, ast.Attribute)):
        yield ast.unparse(node)


def _called_in_turn(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of what is gone over, or indexed, and whose parts are called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            calls = (inner.func for line in node.body for inner in ast.walk(line) if isinstance(inner, ast.Call))
            called = {function.id for function in calls if isinstance(function, ast.Name)}
            for part, whole in _parts(node.target, node.iter):
                if isinstance(part, ast.Name) and part.id in called:
                    yield from _handed_on(whole)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
            yield from _handed_on(node.func.value)


def _parts(target: ast.expr, whole: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what a loop gives a name to, with what it is a part of."""
    made = name_of(whole.func) if isinstance(whole, ast.Call) else ""
    if isinstance(whole, ast.Call) and isinstance(target, ast.Tuple) and made in ("zip", "enumerate"):
        names = target.elts if made == "zip" else target.elts[1:]
        for name, part in zip(names, whole.args, strict=False):
            yield from _parts(name, part)
    else:
        yield target, whole
