"""Bodies of functions: what they read of an argument, which may be an object that the audit has to make."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any


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
