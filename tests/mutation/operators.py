"""Syntactic mutants of a Python source: one small change each, found in its syntax tree.

What is left alone cannot change a verdict: docstrings, annotations, messages of exceptions, decorators, ``__all__`` and
what only a type checker reads.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
FUNCTIONS = {
    "min": "max",
    "max": "min",
    "all": "any",
    "any": "all",
    "ceil": "floor",
    "floor": "ceil",
    "log1p": "log",
    "expm1": "exp",
}


@dataclass(frozen=True)
class Mutant:
    """One changed source.

    Attributes:
        id: Where it is, what stood there and what stands there now; free of line numbers, so that it stays what it is
            while other lines move.
        line: Line of the original source.
        source: The whole changed source.
    """

    id: str
    line: int
    source: str


@dataclass(frozen=True)
class _Change:
    node: ast.AST
    scope: str
    make: Callable[[ast.AST], ast.AST]


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a source.

    Args:
        source: Text of the file.
        path: Name of the file, as it stands in the ids.
    """
    tree = ast.parse(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    seen: Counter[str] = Counter()
    for change in _changes(tree, "", parents):
        context = _context(change.node, parents)
        changed, changed_context = _replaced(tree, change, context)
        text = f"{path} {change.scope}: {_quoted(context)} => {_quoted(changed_context)}"
        yield Mutant(numbered(text, seen), getattr(change.node, "lineno", 0), ast.unparse(changed))


def numbered(text: str, seen: Counter[str]) -> str:
    """Return the text with a number where it was seen before, and count it."""
    seen[text] += 1
    return f"{text} #{seen[text]}" if seen[text] > 1 else text


def _context(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    """Return what the id quotes: the node, or for a bare constant or operator what it stands in."""
    if isinstance(node, (ast.Constant, ast.Name, ast.Attribute)):
        parent = parents[node]
        while not isinstance(parent, (ast.expr, ast.stmt)):
            parent = parents[parent]
        if isinstance(parent, ast.expr) or not hasattr(parent, "body"):
            return parent
    return node


def _quoted(node: ast.AST) -> str:
    """Return the code of a node; of a statement with a body its first line."""
    return ast.unparse(node).partition("\n")[0]


def _replaced(tree: ast.Module, change: _Change, context: ast.AST) -> tuple[ast.Module, ast.AST]:
    """Return a copy of the tree with the change made, and what the context has become in it."""
    memo: dict[int, object] = {}
    twin = copy.deepcopy(tree, memo)
    node, around = memo[id(change.node)], memo[id(context)]
    new = ast.copy_location(change.make(node), node)
    for parent in ast.walk(twin):
        for field, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, field, new)
            elif isinstance(value, list):
                value[:] = [new if item is node else item for item in value]
    ast.fix_missing_locations(twin)
    return twin, new if around is node else around


def _changes(node: ast.AST, scope: str, parents: dict[ast.AST, ast.AST]) -> Iterator[_Change]:
    for make in _made_of(node, parents):
        yield _Change(node, scope or "module", make)
    inner = scope
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        inner = f"{scope}.{node.name}" if scope else node.name
    for field, value in ast.iter_fields(node):
        if _left_alone(node, field):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child, inner, parents)


def _left_alone(node: ast.AST, field: str) -> bool:
    if field in ("annotation", "returns", "decorator_list", "ctx", "op", "ops"):
        return True
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _made_of(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[Callable[[ast.AST], ast.AST]]:
    """Yield what turns a node (of a copy of the tree) into what replaces it, once for every mutant made of it."""
    if isinstance(node, ast.Compare):
        for index in range(len(node.ops)):
            yield lambda n, index=index: _with_comparison(n, index)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in ARITHMETIC:
        yield lambda n: _with(n, op=ARITHMETIC[type(n.op)]())
    elif isinstance(node, ast.BoolOp):
        yield lambda n: _with(n, op=ast.Or() if isinstance(n.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield lambda n: n.operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node, parents)
    elif isinstance(node, ast.Name) and node.id in FUNCTIONS:
        yield lambda n: _with(n, id=FUNCTIONS[n.id])
    elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
        yield lambda n: _with(n, attr=FUNCTIONS[n.attr])
    elif isinstance(node, ast.If) and _may_be_negated(node.test):
        yield lambda n: _with(n, test=ast.UnaryOp(ast.Not(), n.test))
    elif isinstance(node, ast.IfExp):
        yield lambda n: _with(n, body=n.orelse, orelse=n.body)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield lambda n: _with(n, value=ast.Constant(None))
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield lambda n: ast.Pass()
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield lambda n: ast.Continue() if isinstance(n, ast.Break) else ast.Break()


def _constants(node: ast.Constant, parents: dict[ast.AST, ast.AST]) -> Iterator[Callable[[ast.AST], ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield lambda n: _with(n, value=not n.value)
    elif isinstance(value, int):
        yield lambda n: _with(n, value=n.value + 1)
    elif isinstance(value, float):
        yield lambda n: _with(n, value=2.0 * n.value or 1.0)
    elif isinstance(value, str) and not isinstance(parents[node], ast.Expr):
        yield lambda n: _with(n, value=n.value + "X")


def _may_be_negated(test: ast.expr) -> bool:
    """Return whether negating a condition makes a mutant that no change inside of it makes."""
    is_not = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return not is_not and ast.unparse(test) != "TYPE_CHECKING"


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(node: ast.AST, **fields: object) -> ast.AST:
    twin = copy.copy(node)
    for name, value in fields.items():
        setattr(twin, name, value)
    return twin


def _with_comparison(node: ast.AST, index: int) -> ast.AST:
    assert isinstance(node, ast.Compare)
    new = COMPARISONS[type(node.ops[index])]()
    return _with(node, ops=[*node.ops[:index], new, *node.ops[index + 1 :]])
