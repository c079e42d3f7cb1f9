"""Bodies of functions: what they read of an argument, which may be an object that the audit has to make."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


OF_TENSORS = {
    "shape", "dtype", "device", "ndim", "dim", "size", "numel", "contiguous", "view", "reshape", "new_empty",
    "new_zeros", "new_ones", "unsqueeze", "permute", "transpose", "flatten",
}  # fmt: skip


WITH_WEIGHTS = re.compile(
    r"^(Lazy)?Conv\w*\d|^conv_?\d|Linear$|Norm\w*$|^norm_layer$|Attention\w*$|^(MLP|Mlp|FeedForward|FFN)"
)


def definition_of(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the syntax tree of a function; None where its source is not there, or is no definition."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    first = body[0] if body else None
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def parts_made(cls: Any) -> list[str]:
    """Return the names of the layers with weights that a class makes, such as ``Conv2d``, or its bases, each once."""
    trees = [definition_of(vars(base).get("__init__")) for base in cls.__mro__]
    nodes = [node for tree in trees if tree is not None for node in ast.walk(tree)]
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    return [name for name in dict.fromkeys(map(name_of, calls)) if WITH_WEIGHTS.search(name)]


def droppers(cls: Any) -> list[str]:
    """Return the methods of a class, and of its bases, that are called like ones that drop a path."""
    found = [name for base in cls.__mro__ for name, held in vars(base).items() if inspect.isfunction(held)]
    return [name for name in dict.fromkeys(found) if words.drops(name)]


def name_of(node: ast.AST) -> str:
    """Return the name of what is called or read, without what it is an attribute of; empty where it has none."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_name(node: ast.AST, *names: str) -> bool:
    """Return whether a node is one of these names."""
    return isinstance(node, ast.Name) and node.id in names


def methods_of(cls: type) -> dict[str, FunctionType]:
    """Return the methods that a class defines or takes over from bases of its own package, by name."""
    package = cls.__module__.partition(".")[0]
    own = [base for base in reversed(cls.__mro__) if base.__module__.partition(".")[0] == package]
    return {name: held for base in own for name, held in vars(base).items() if isinstance(held, FunctionType)}


def argument_names(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the arguments of a function that have names of their own."""
    return {argument.arg for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs)}


def attributes(tree: ast.AST, name: str) -> list[str]:
    """Return the attributes of a name that are read or written, in order, each once."""
    found = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_name(node.value, name)]
    return list(dict.fromkeys(found))


def sections(tree: ast.AST, name: str) -> dict[str, list[str]]:
    """Return the attributes of a name of which attributes are read in turn, each with those."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and is_name(node.value.value, name)
        ):
            found.setdefault(node.value.attr, []).append(node.attr)
    return {section: list(dict.fromkeys(inner)) for section, inner in found.items()}


def keys(tree: ast.AST, name: str) -> list[str]:
    """Return the keys that are read of a name, as a mapping, in order, each once."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_name(node.value, name):
            found += constants([node.slice])
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and is_name(node.func.value, name)
        ):
            found += constants(node.args[:1])
    return list(dict.fromkeys(found))


def constants(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the texts among nodes that are names."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value


def assignments(tree: ast.AST | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of the assignments in a tree with its value, those of ``a, b = c, d`` one by one."""
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield node.target, node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    yield from zip(target.elts, node.value.elts, strict=False)
                else:
                    yield target, node.value


def stored_and_called(cls: type) -> set[str]:
    """Return the arguments that a constructor stores and that another method of the class calls.

    They are stored as they are, or several of them as one, ``Sequential(*layers)``.
    """
    made = definition_of(vars(cls).get("__init__"))
    stored = {
        target.attr: value.id
        for target, stored in assignments(made)
        for value in (_all_handed_on(stored),)
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


def set_to_a_constant(cls: type) -> list[str]:
    """Return the attributes that a constructor sets to True or False, whatever it is given."""
    made = next((tree for base in cls.__mro__ if (tree := definition_of(vars(base).get("__init__")))), None)
    return [
        target.attr
        for target, value in assignments(made)
        if isinstance(target, ast.Attribute) and is_name(target.value, "self")
        if isinstance(value, ast.Constant) and isinstance(value.value, bool)
    ]


def _all_handed_on(value: ast.expr) -> ast.expr:
    """Return what a call is handed as all of its arguments, ``layers`` of ``Sequential(*layers)``; else the value."""
    if isinstance(value, ast.Call) and len(value.args) == 1 and isinstance(value.args[0], ast.Starred):
        return value.args[0].value
    return value


def chosen_by(function: Any) -> tuple[str, str]:
    """Return an argument that holds several things and the one that says which is taken: ``rates[index]``; or none."""
    tree = definition_of(function)
    nodes = [*ast.walk(tree)] if tree is not None else []
    arguments = {argument.arg for argument in (*tree.args.args, *tree.args.kwonlyargs)} if tree is not None else set()
    pairs = {
        (node.value.id, node.slice.id)
        for node in nodes
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Name)
    }
    found = [pair for pair in pairs if arguments.issuperset(pair)]
    return found[0] if len(found) == 1 else ("", "")


def texts(function: Any) -> set[str]:
    """Return the texts that stand in a function, its own description aside."""
    tree = definition_of(function)
    described = ast.get_docstring(tree, clean=False) if tree is not None else None
    nodes = ast.walk(tree) if tree is not None else ()
    found = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found - {described}


def tensors(function: Any) -> set[str]:
    """Return the arguments of which a function reads what tensors alone have."""
    return _arguments_with(function, OF_TENSORS)


def moded(function: Any) -> set[str]:
    """Return the arguments whose own mode a function reads, as ``module.training``, itself aside."""
    return _arguments_with(function, {"training"}) - {"self"}


def _arguments_with(function: Any, read: set[str]) -> set[str]:
    """Return the arguments of which a function reads one of these attributes."""
    tree = definition_of(function)
    return {name for name in argument_names(tree) if read & {*attributes(tree, name)}} if tree is not None else set()


def addends(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the two sides of every sum, in either order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield node.left, node.right
            yield node.right, node.left


def added_as_it_is(function: Any, one: str, other: str) -> str:
    """Return which of two arguments a function adds as it is to what it makes of the other; empty where none or both.

    One that it adds to the other and elsewhere returns alone is what remains where the other is dropped. A name that
    was given another value is no argument any more.
    """
    tree = definition_of(function)
    if tree is None:
        return ""
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    alone = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    found, summed = {name for name in (one, other) if any(is_name(value, name) for value in alone)} - stored, False
    for part, rest in addends(tree):
        made, of_it = _values_in(rest), _values_in(part)
        summed |= {one, other} <= made | of_it
        for name, beside in ((one, other), (other, one)):
            changed = not is_name(rest, beside) or beside in stored
            if is_name(part, name) and name not in stored and changed and beside in made:
                found.add(name)
    return found.pop() if summed and len(found) == 1 else ""


def _values_in(side: ast.expr) -> set[str]:
    """Return the names in an expression, without those of which an attribute alone is read, as ``x.shape``."""
    nodes = [*ast.walk(side)]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    read = {id(node.value) for node in nodes if isinstance(node, ast.Attribute) and id(node) not in called}
    return {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in read}


def lacking_in_bases(cls: type) -> str:
    """Return a method of the same name that ``forward`` or ``__call__`` asks of a base, and that none of them has."""
    for name in ("forward", "__call__"):
        tree = definition_of(vars(cls).get(name))
        asked = tree is not None and any(_of_super(node) == name for node in ast.walk(tree))
        if asked and not any(name in vars(base) for base in cls.__mro__[1:]):
            return name
    return ""


def _of_super(node: ast.AST) -> str:
    """Return the name of what is taken of ``super()``; empty where a node takes nothing of it."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and is_name(node.value.func, "super"):
        return node.attr
    return ""


def rests_on_parts(cls: type) -> bool:
    """Return whether a class hands the layers that it is given by position to its base, and runs them.

    By the base's own ``forward``, or one by one: ``for layer in self``.
    """
    made, run = (definition_of(vars(cls).get(name)) for name in ("__init__", "forward"))
    if made is None or run is None or made.args.vararg is None or len(made.args.args) != 1:
        return False
    handed = [
        node for node in ast.walk(made) if isinstance(node, ast.Starred) and is_name(node.value, made.args.vararg.arg)
    ]
    of_base = {_of_super(node.func) for tree in (made, run) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    loops = [node.iter for node in ast.walk(run) if isinstance(node, (ast.For, ast.comprehension))]
    runs = "forward" in of_base or any(map(_of_its_parts, loops))
    return bool(handed) and "__init__" in of_base and runs


def _of_its_parts(loop: ast.expr) -> bool:
    """Return whether a loop goes over the layers inside: ``self``, ``enumerate(self)``, ``self._modules.values()``."""
    if isinstance(loop, ast.Attribute):
        own = loop.attr in ("children", "named_children", "_modules") and is_name(loop.value, "self")
        return own or (loop.attr in ("values", "items") and _of_its_parts(loop.value))
    if isinstance(loop, ast.Call):
        return any(map(_of_its_parts, loop.args if isinstance(loop.func, ast.Name) else [loop.func]))
    return is_name(loop, "self")


def unpacked(function: Any) -> dict[str, tuple[str, ...]]:
    """Return the arguments that a function takes apart, each with the names of their parts: ``a, b = inputs``."""
    tree = definition_of(function)
    if tree is None:
        return {}
    arguments = argument_names(tree)
    found: dict[str, dict[int, str]] = {}
    for target, value in assignments(tree):
        if isinstance(target, (ast.Tuple, ast.List)) and is_name(value, *arguments):
            names = [part.id for part in target.elts if isinstance(part, ast.Name)]
            if len(names) == len(target.elts):
                found[ast.unparse(value)] = dict(enumerate(names))
        elif isinstance(value, ast.Subscript) and is_name(value.value, *arguments) and isinstance(target, ast.Name):
            number = value.slice.value if isinstance(value.slice, ast.Constant) else None
            if isinstance(number, int):
                found.setdefault(ast.unparse(value.value), {})[number] = target.id
    return {
        name: tuple(parts[number] for number in sorted(parts))
        for name, parts in found.items()
        if sorted(parts) == [*range(len(parts))] and len(parts) > 1
    }


def taken_alike(function: Any, *, follow: bool = True) -> dict[str, tuple[str, ...]]:
    """Return the arguments that a function takes apart and returns part by part, each with the names of their parts.

    Args:
        function: The function.
        follow: Whether to look into a function of its module to which it hands the argument for what it returns.
    """
    tree = definition_of(function)
    if tree is None:
        return {}
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    found = {name: parts for name, parts in unpacked(function).items() if _one_by_one(returned, parts)}
    for value in returned if follow and not found else ():
        callee = getattr(function, "__globals__", {}).get(getattr(getattr(value, "func", None), "id", ""))
        if isinstance(value, ast.Call) and inspect.isfunction(callee):
            names = [*inspect.signature(callee).parameters]
            given = [*zip(names, value.args, strict=False), *((one.arg, one.value) for one in value.keywords)]
            alike = taken_alike(callee, follow=False)
            found |= {one.id: alike[name] for name, one in given if name in alike and isinstance(one, ast.Name)}
    return found


def _one_by_one(returned: Sequence[ast.expr | None], parts: Sequence[str]) -> bool:
    """Return whether as many values are returned as there are parts, each of them made of its own part alone."""
    for value in returned:
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts):
            read = [{node.id for node in ast.walk(one) if isinstance(node, ast.Name)} for one in value.elts]
            if all(names & {*parts} == {part} for part, names in zip(parts, read, strict=True)):
                return True
    return False


def handed_on(function: Any) -> str:
    """Return the method of its object to which a method hands all that it is given; empty where it does not."""
    tree = definition_of(function)
    if tree is None or tree.args.vararg is None or len(tree.args.args) != 1 or tree.args.kwonlyargs:
        return ""
    own, all_ = tree.args.args[0].arg, tree.args.vararg.arg
    names = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and is_name(node.func.value, own)
        and any(isinstance(part, ast.Starred) and is_name(part.value, all_) for part in node.args)
    }
    return names.pop() if len(names) == 1 else ""


def read_or_handed_on(tree: ast.AST, name: str) -> bool:
    """Return whether attributes of a name are read, or it is handed on in a call, and nothing else is done with it."""
    nodes = [*ast.walk(tree)]
    read = [node for node in nodes if isinstance(node, ast.Attribute) and is_name(node.value, name)]
    handed = [part for node in nodes if isinstance(node, ast.Call) for part in node.args if is_name(part, name)]
    return len(read) + len(handed) == sum(is_name(node, name) for node in nodes)


def passed_on(function: Any) -> set[str]:
    """Return the arguments with which a function does nothing but hand them on to a call, or return them in a tuple."""
    tree = definition_of(function)
    if tree is None:
        return set()
    nodes = [*ast.walk(tree)]
    handed = {
        id(part)
        for node in nodes
        for part in (
            [*node.args, *(keyword.value for keyword in node.keywords)]
            if isinstance(node, ast.Call)
            else node.value.elts
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
            else ()
        )
    }
    used = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in handed}
    return argument_names(tree) - used


def calls(function: Any, name: str) -> bool:
    """Return whether a function calls something of this name, whatever it is an attribute of."""
    tree = definition_of(function)
    called = (node.func for node in (ast.walk(tree) if tree is not None else ()) if isinstance(node, ast.Call))
    return any(is_name(func, name) or (isinstance(func, ast.Attribute) and func.attr == name) for func in called)
