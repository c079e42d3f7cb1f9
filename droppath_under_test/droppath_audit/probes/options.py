"""Which names of a function, and which attributes of a layer, hold nothing but options: read from assignments."""

from __future__ import annotations

import ast
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from types import FunctionType

    Function = ast.FunctionDef | ast.AsyncFunctionDef
    Assignment = tuple[ast.expr, ast.expr | None]

DEPTH = 4  # of what was made of what was made of an option


class Reader:
    """Reads expressions of one function.

    Args:
        function: Its definition.
        options: Names of arguments that every call leaves as they are.
        attributes: Attributes that are set from these alone.
    """

    def __init__(self, function: Function, options: Collection[str], attributes: Collection[str]) -> None:
        given = function.args
        several = [one for one in (given.vararg, given.kwarg) if one is not None]
        every = (*given.posonlyargs, *given.args, *given.kwonlyargs, *several)
        self._parameters = tuple(one.arg for one in every)
        self._attributes = attributes
        self.assignments = list(_assigned(function))
        named = [(target.id, value) for target, value in self.assignments if isinstance(target, ast.Name)]
        self._own = {*self._parameters, *(name for name, _ in named)}
        # Names of what encloses the function as well.
        self._held = {name for name in options if name in self._parameters or name not in self._own}
        for _ in range(DEPTH):
            for name in {name for name, _ in named}:
                values = [value for other, value in named if other == name]
                if (name not in self._parameters or name in self._held) and all(
                    value is not None and self.options(value) for value in values
                ):
                    self._held.add(name)
                elif name in self._parameters:
                    self._held.discard(name)

    def options(self, expression: ast.AST) -> tuple[str, ...]:
        """Return the options that an expression reads; none where it reads anything else of the function's own."""
        found = self.reads(expression)
        if not all(name in self._held or name.removeprefix("self.") in self._attributes for name in found):
            return ()
        return tuple(name.removeprefix("self.") for name in found)

    def given(self, expression: ast.AST) -> tuple[str, ...]:
        """Return the name of an argument, or of an attribute, that an expression is; none where it is another."""
        found = self.reads(expression)
        alone = len(found) == 1 and (found[0].startswith("self.") or found[0] in self._parameters)
        return (found[0].removeprefix("self."),) if alone else ()

    def reads(self, expression: ast.AST) -> tuple[str, ...]:
        """Return what an expression reads of the function's own: names, and ``self.name`` of its first parameter."""
        found: dict[str, None] = {}
        owner = self._parameters[0] if self._parameters and self._parameters[0] in ("self", "cls") else ""

        def visit(node: ast.AST) -> None:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner:
                found[f"self.{node.attr}"] = None
                return
            if isinstance(node, ast.Name) and (node.id in self._own or node.id in self._held):
                found[node.id] = None
            for child in ast.iter_child_nodes(node):
                visit(child)

        visit(expression)
        return tuple(found)


def attributes(functions: Iterable[Function], options: Collection[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Return the attributes that are set from options alone, wherever they are set, and what those are copies of."""
    from_options: dict[str, list[bool]] = {}
    copied: dict[str, str] = {}
    for function in functions:
        reader = Reader(function, options, ())
        for target, value in reader.assignments:
            for name in reader.reads(target) if isinstance(target, ast.Attribute) else ():
                if name.startswith("self."):
                    found = () if value is None else reader.options(value)
                    from_options.setdefault(name.removeprefix("self."), []).append(bool(found))
                    if isinstance(value, ast.Name) and value.id in options:
                        copied[name.removeprefix("self.")] = value.id
    kept = frozenset(name for name, every in from_options.items() if all(every))
    # One that is set in several places need not be what it was.
    return kept, {name: of for name, of in copied.items() if name in kept and len(from_options[name]) == 1}


def left_alone(
    functions: Mapping[FunctionType, Function], options: Mapping[str, Any], attributes: Collection[str]
) -> dict[Function, dict[str, Any]]:
    """Return of each function the arguments that no call of the others gives, or gives nothing but options.

    Args:
        functions: With their definitions.
        options: Arguments that every call of the audit leaves as they are, by name, each with its value.
        attributes: Attributes that are set from these alone.

    Returns:
        The arguments of each, with their values; ``Parameter.empty`` where one is not known.
    """
    calls: dict[str, list[tuple[Function, ast.Call]]] = {}
    for node in functions.values():
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                name = getattr(inner.func, "id", "") or getattr(inner.func, "attr", "")
                calls.setdefault(name, []).append((node, inner))
    found: dict[Function, dict[str, Any]] = {node: {} for node in functions.values()}
    for _ in range(DEPTH):
        readers = {node: Reader(node, {*options, *found[node]}, attributes) for node in found}
        for function, node in functions.items():
            made = calls.get(function.__name__, [])
            given = list(signature(function, follow_wrapped=False).parameters.values())
            bound = bool(given) and given[0].name in ("self", "cls")
            for place, one in enumerate(given if made else ()):
                values = [_given(call, one, place - bound) for _, call in made]
                if all(
                    value is Parameter.empty and one.default is not one.empty
                    if not isinstance(value, ast.expr)
                    else bool(readers[caller].options(value))
                    for (caller, _), value in zip(made, values, strict=True)
                ):
                    omitted = all(value is Parameter.empty for value in values)
                    found[node][one.name] = one.default if omitted else Parameter.empty
    return found


def _given(call: ast.Call, parameter: Parameter, place: int) -> Any:
    """Return what a call gives as an argument; ``Parameter.empty`` for nothing, None where that is not known."""
    if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
        return None
    if parameter.kind is not parameter.KEYWORD_ONLY and 0 <= place < len(call.args):
        return call.args[place]
    return next((one.value for one in call.keywords if one.arg == parameter.name), Parameter.empty)


def _assigned(function: Function) -> Iterator[Assignment]:
    """Yield target and value of every assignment in a function; None for what is no plain one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _parted(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            if node.value is not None:
                yield node.target, node.value
        elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
            yield from _parted(node.target, None)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield from _parted(node.optional_vars, None)


def _parted(target: ast.expr, value: ast.expr | None) -> Iterator[Assignment]:
    """Yield a target, or the parts of a tuple that is assigned to, each with its own value where there is one."""
    if not isinstance(target, (ast.Tuple, ast.List)):
        yield target, value
        return
    alike = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
    values = value.elts if alike else [None] * len(target.elts)  # type: ignore[union-attr]
    for part, own in zip(target.elts, values, strict=True):
        yield from _parted(part, own)
