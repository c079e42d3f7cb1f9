"""What a file of the package runs: the files that it imports, and those that they import."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import droppath_audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PACKAGE = droppath_audit.__name__


def closure(names: Iterable[str], files: Mapping[str, str]) -> set[str]:
    """Return these files and all that they import, directly or through one another, inside functions as well.

    What is imported for type checkers alone runs nothing, and files that are found by being there are imported by name
    nowhere: who depends on those names them.

    Args:
        names: Files to begin with, such as ``checks/dp101_mask_frequency``.
        files: Text of every file of the package, by such a name.
    """
    found, waiting = set[str](), list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += imported(files[name]) & files.keys()
    return found


@cache
def imported(text: str) -> frozenset[str]:
    """Return the files of the package that a file imports, as far as they are there, and some that are not."""
    found = set[str]()
    for module in _modules(ast.parse(text)):
        package, *parts = module.split(".")
        if package == PACKAGE:
            # Whoever imports a module runs the packages that hold it.
            found |= {"/".join([*parts[:depth], "__init__"]) for depth in range(len(parts) + 1)}
            found.add("/".join(parts))
    return frozenset(found)


def _modules(node: ast.AST) -> Iterator[str]:
    """Yield the name of everything that is imported, and for ``from a import b`` both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
        children = node.orelse
    for child in children:
        yield from _modules(child)
