"""Equal definitions: the same source but for names of their own, comments, annotations and the spelling of imports.

What a definition needs of its file belongs to it: two layers that call functions of the same name are equal only if the
functions are. The names of arguments stay: they are how a layer is called.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from typing import TYPE_CHECKING

from droppath_audit.scanning.reading import Function, root_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from droppath_audit.scanning.finding import LookAlike
    from droppath_audit.scanning.reading import Source


def groups(alikes: Iterable[LookAlike]) -> list[tuple[str, list[LookAlike]]]:
    """Return equal definitions together, with their digest, those with most copies first."""
    found: dict[str, list[LookAlike]] = {}
    for alike in alikes:
        found.setdefault(digest(alike), []).append(alike)
    return sorted(found.items(), key=lambda item: -len(item[1]))  # which keeps the order of the files


def digest(alike: LookAlike) -> str:
    """Return a digest that equal definitions share."""
    return hashlib.sha256(canonical(alike).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def canonical(alike: LookAlike) -> str:
    """Return the source of a definition, and of what it needs of its file, without what may differ."""
    needed = _Needed(alike.source)
    owner, _, name = alike.name.rpartition(".")
    nodes: list[ast.stmt] = [alike.node]
    if owner in alike.source.classes:  # a method, with those that it calls
        methods = {part.name: part for part in alike.source.classes[owner].body if isinstance(part, Function)}
        nodes += [methods[part] for part in alike.parts if part in methods and part != name]
    texts = [needed.number(alike.node.name), *(_dump(node, needed) for node in nodes)]
    done = 1
    while done < len(needed.names):
        texts.append(_dump(alike.source.toplevel[needed.names[done]], needed))
        done += 1
    return "\n".join(texts)


class _Needed:
    """Names of a file that a definition needs, numbered as they are met."""

    def __init__(self, source: Source) -> None:
        self.source, self.names = source, list[str]()

    def number(self, name: str) -> str:
        if name not in self.names:
            self.names.append(name)
        return f"@{self.names.index(name)}"

    def is_own(self, name: str) -> bool:
        return name in self.names or (name in self.source.toplevel and name not in self.source.origins)


def _dump(node: ast.stmt, needed: _Needed) -> str:
    return ast.dump(_Canonical(needed).visit(copy.deepcopy(node)))


class _Canonical(ast.NodeTransformer):
    """Takes from a definition what may differ between equal ones."""

    def __init__(self, needed: _Needed) -> None:
        self._needed = needed
        self._local: list[dict[str, str]] = []  # names of each function around, arguments under their own
        self._top = True

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._head(node)
        node.body = self._body(node.body)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: Function) -> ast.AST:
        self._head(node)
        node.returns = None
        node.args = self.visit(node.args)
        arguments = [part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)]
        stored = [
            part.id for part in ast.walk(ast.Module(node.body, []))
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id not in arguments
        ]  # fmt: skip
        names = {name: f"v{number}" for number, name in enumerate(dict.fromkeys(stored))}
        self._local.append({**{name: name for name in arguments}, **names})
        node.body = self._body(node.body)
        self._local.pop()
        return node

    def _head(self, node: Function | ast.ClassDef) -> None:
        node.decorator_list = [self.visit(part) for part in node.decorator_list]
        if isinstance(node, ast.ClassDef):
            node.bases = [self.visit(part) for part in node.bases]
            node.keywords = [self.visit(part) for part in node.keywords]
        if self._top:
            node.name = self._needed.number(node.name)
            self._top = False
        node.type_comment = None  # type: ignore[union-attr]

    def _body(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        kept = [self.visit(node) for node in body if not _is_text(node)]
        return [node for node in kept if node is not None] or [ast.Pass()]

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation, node.type_comment = None, None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None if self._local else ast.Expr(ast.Constant(ast.unparse(node.target)))
        return self.visit(ast.Assign([node.target], node.value, lineno=0))  # type: ignore[no-any-return]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            node.args = []
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        dotted = self._needed.source.dotted(node)
        if dotted and self._is_import(root_of(node)):
            return ast.Name(dotted, ast.Load())
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        for names in reversed(self._local):
            if node.id in names:
                node.id = names[node.id]
                return node
        if self._is_import(node.id):
            node.id = self._needed.source.origins[node.id]
        elif self._needed.is_own(node.id):
            node.id = self._needed.number(node.id)
        return node

    def _is_import(self, name: str) -> bool:
        return name in self._needed.source.origins and not any(name in names for names in self._local)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
