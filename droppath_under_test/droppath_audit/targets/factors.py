"""Numbers that a body multiplies or divides by: what a bare ``p`` means, where its name says nothing."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any, TypeGuard

from droppath_audit.targets.bodies import argument_names, assignments, definition_of, methods_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MULTIPLYING = {"div", "mul", "divide", "multiply", "true_divide"}
DROPOUTS = ("dropout", "alpha_dropout", "alphadropout", "feature_alpha_dropout")  # what their names begin with
MAKING = {"float", "tensor", "as_tensor", "asarray", "array"}  # a number of one


def factors(obj: Any) -> set[str]:
    """Return the arguments of a function or constructor that are a factor or divisor, and whose ``1 - p`` is nowhere.

    Such a number is what is kept, or its inverse: a layer that holds drop_prob scales by ``1 - drop_prob``. Not so
    where the body goes another way at 0: nobody keeps nothing so often that it is worth a branch, and who drops
    nothing returns x there. A layer that scales by the number that it drops by is then what it seems, a mistake.
    """
    if not inspect.isclass(obj):
        tree = definition_of(obj)
        return _found([tree], {name: name for name in argument_names(tree)}) if tree is not None else set()
    methods = methods_of(obj)
    trees = [definition_of(method) for method in methods.values()]
    made = definition_of(methods.get("__init__"))
    held = {
        ast.unparse(target): value.id
        for target, stored in assignments(made)
        for value in (_as_number(stored),)
        if isinstance(value, ast.Name)
    }
    return _found([tree for tree in trees if tree is not None], held)


def dropped_out(cls: type) -> set[str]:
    """Return the arguments of a constructor that a dropout is given, ``Dropout(p)`` or ``F.dropout(x, self.p)``.

    They drop elements, and where another argument may be it no paths.
    """
    methods = methods_of(cls)
    made = definition_of(methods.get("__init__"))
    if made is None:
        return set()
    names = argument_names(made)
    held = {ast.unparse(to): one.id for to, one in assignments(made) if isinstance(one, ast.Name)}
    found = set()
    for name, method in methods.items():
        known = {**{one: one for one in names if name == "__init__"}, **held}
        tree = definition_of(method)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Call) and name_of(node.func).lower().startswith(DROPOUTS):
                given = (*node.args, *(one.value for one in node.keywords))
                found |= {known[text] for text in map(ast.unparse, given) if text in known}
    return found & names


def _found(trees: Sequence[ast.AST], held: dict[str, str]) -> set[str]:
    """Return the arguments among ``held``, by the text that stands for each, that are a factor and no complement."""
    factor: set[str] = set()
    complement: set[str] = set()
    for tree in trees:
        numbers = _numbers(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                complement.add(ast.unparse(_as_number(node.right)))
            for number, others in _products(node):
                # What multiplies numbers alone, as a place in a stack does, makes a rate and scales nothing.
                if {name.id for one in others for name in ast.walk(one) if isinstance(name, ast.Name)} - numbers:
                    factor.add(ast.unparse(_as_number(number)))
    at_zero = {text for tree in trees for text in _compared_with_zero(tree)}
    return {name for key, name in held.items() if key in factor - complement - at_zero}


def _numbers(tree: ast.AST) -> set[str]:
    """Return the arguments of a function but its first, which is x, and the layer itself."""
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    names = [argument.arg for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)]
    return {*names[2:], "self"} if names[:1] == ["self"] else {*names[1:]}


def _products(node: ast.AST) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """Yield what a node multiplies or divides by, each with what else is in the product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield node.left, [node.right]
        yield node.right, [node.left]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield node.right, [node.left]
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, (ast.Mult, ast.Div)):
        yield node.value, [node.target]
    elif _multiplies(node):
        yield node.args[-1], [node.func, *node.args[:-1]]


def _compared_with_zero(tree: ast.AST) -> Iterator[str]:
    """Yield what decides, by being 0 or not, which way a body goes, unless it refuses one of them."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.If, ast.IfExp)):
            body = node.body if isinstance(node.body, list) else []
            if any(isinstance(inner, ast.Raise) for inner in body):
                continue
            for part in ast.walk(node.test):
                if isinstance(part, ast.Compare) and any(_is_zero(side) for side in (part.left, *part.comparators)):
                    yield from (ast.unparse(side) for side in (part.left, *part.comparators))
                elif isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not):
                    yield ast.unparse(part.operand)


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not isinstance(node.value, bool) and node.value == 0


def _multiplies(node: ast.AST) -> TypeGuard[ast.Call]:
    """Return whether a node calls a method that multiplies or divides by its last argument."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return bool(node.args) and node.func.attr.rstrip("_") in MULTIPLYING


def _as_number(value: ast.expr) -> ast.expr:
    """Return what a number is made of, ``p`` of ``float(p)`` and of ``torch.tensor(p)``; else the value."""
    return value.args[0] if isinstance(value, ast.Call) and value.args and name_of(value.func) in MAKING else value
