"""The mutants that mutmut's operators make of a source, in decorated functions and class bodies as well.

What ``operators`` leaves alone is left alone here, and a mutant that it makes too is not made twice.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

import libcst as cst
import operators
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators
from operators import Mutant, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEFT_ALONE = (cst.Annotation, cst.Decorator, cst.FormattedString, cst.Import, cst.ImportFrom, cst.Raise)


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a source that ``operators.mutants`` does not make.

    Args:
        source: Text of the file.
        path: Name of the file, as it stands in the ids.
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    parents, positions = wrapper.resolve(ParentNodeProvider), wrapper.resolve(PositionProvider)
    made = {ast.unparse(ast.parse(source)), *(mutant.source for mutant in operators.mutants(source, path))}
    seen: Counter[str] = Counter()
    for node, scope in _nodes(wrapper.module, ""):
        for new in _made_of(node):
            try:
                changed = ast.unparse(ast.parse(wrapper.module.deep_replace(node, new).code))
            except SyntaxError:  # such as a starred argument in the place of a keyword
                continue
            if changed in made:
                continue
            made.add(changed)
            context = _context(node, parents)
            before, after = _quoted(context), _quoted(new if context is node else context.deep_replace(node, new))
            text = f"{path} {scope or 'module'} (mutmut): {before} => {after}"
            yield Mutant(numbered(text, seen), positions[node].start.line, changed)


def _nodes(node: cst.CSTNode, scope: str) -> Iterator[tuple[cst.CSTNode, str]]:
    """Yield the nodes that may be changed, each with the names of the functions and classes around it."""
    if isinstance(node, LEFT_ALONE) or _for_no_run(node) or _is_docstring(node):
        return
    yield node, scope
    if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        scope = f"{scope}.{node.name.value}" if scope else node.name.value
    for child in node.children:
        yield from _nodes(child, scope)


def _for_no_run(node: cst.CSTNode) -> bool:
    """Return whether a statement is for type checkers or star imports alone."""
    if isinstance(node, cst.If):
        return isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"
    if isinstance(node, cst.Assign):
        target = node.targets[0].target
        return isinstance(target, cst.Name) and target.value == "__all__"
    return False


def _is_docstring(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, (cst.SimpleString, cst.ConcatenatedString))


def _made_of(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from operator(node)


def _context(node: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> cst.CSTNode:
    """Return what the id quotes: the node, or for a bare name, number or text what it stands in."""
    if not isinstance(node, (cst.Name, cst.BaseNumber, cst.BaseString)):
        return node
    parent = parents[node]
    while not isinstance(parent, (cst.BaseExpression, cst.BaseSmallStatement, cst.BaseStatement)):
        parent = parents[parent]
    return node if isinstance(parent, (cst.FunctionDef, cst.ClassDef)) else parent


def _quoted(node: cst.CSTNode) -> str:
    """Return the code of a node on one line."""
    return " ".join(cst.Module([]).code_for_node(node).split())
