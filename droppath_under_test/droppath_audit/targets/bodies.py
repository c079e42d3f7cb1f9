"""Bodies of functions: what they read of an argument, which may be an object that the audit has to make."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def definition_of(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the syntax tree of a function; None where its source is not there, or is no definition."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    first = body[0] if body else None
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def is_name(node: ast.AST, *names: str) -> bool:
    """Return whether a node is one of these names."""
    return isinstance(node, ast.Name) and node.id in names


def attributes(tree: ast.AST, name: str) -> list[str]:
    """Return the attributes of a name that are read or written, in order, each once."""
    found = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_name(node.value, name)]
    return list(dict.fromkeys(found))


def _assigned(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of an assignment with its value, those of ``a, b = c, d`` one by one."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def stored_and_called(cls: type) -> set[str]:
    """Return the arguments that a constructor stores as they are and that another method of the class calls."""
    made = definition_of(vars(cls).get("__init__"))
    stored = {
        target.attr: value.id
        for node in (ast.walk(made) if made is not None else ())
        if isinstance(node, ast.Assign)
        for target, value in _assigned(node)
        if isinstance(target, ast.Attribute) and is_name(target.value, "self") and isinstance(value, ast.Name)
    }
    methods = [definition_of(method) for name, method in vars(cls).items() if name != "__init__" and callable(method)]
    calls = (
        node.func for method in methods if method is not None for node in ast.walk(method) if isinstance(node, ast.Call)
    )
    return {
        stored[call.attr]
        for call in calls
        if isinstance(call, ast.Attribute) and is_name(call.value, "self") and call.attr in stored
    }
