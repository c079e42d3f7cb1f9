"""Why a branch of code need not be reached by an audit: it only raises, or what decides is not the audit's to ask.

All of it is read from source: a branch whose body raises or warns, handlers of exceptions, conditions for scripting,
compiling, other devices and other versions, and those that read nothing but options, arguments that every call of the
audit leaves as they are.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from inspect import Parameter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from droppath_audit.probes.options import Reader, attributes, left_alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType, FunctionType

    Function = ast.FunctionDef | ast.AsyncFunctionDef

RAISES, HANDLES, SERVES, ELSEWHERE, OPTION = "raises", "handles", "serves", "elsewhere", "option"
SERVING = ("scripting", "tracing", "compiling", "exporting", "onnx", "torchscript", "type_checking", "dynamo")
OTHERS = ("cuda", "mps", "xpu", "npu", "device", "is_meta", "version", "platform", "environ", "is_available")
TELLING = ("log_", "_log", "warn", "deprecat", "repr")  # in the name of a function that tells and decides nothing
WARNS = ("warn", "warn_once", "warning", "warning_once", "info", "debug", "log")


@dataclass(frozen=True)
class Excuse:
    """Why a way need not be taken.

    Attributes:
        kind: One of the five words of this module.
        names: The options that would have to be asked for; empty for all other kinds.
    """

    kind: str
    names: tuple[str, ...] = ()


class Excuses:
    """Knows the options of a target.

    Args:
        nodes: Its functions, with their definitions.
        options: Arguments that every call of the audit leaves as they are, by name, each with its value;
            ``Parameter.empty`` where that is not known.
    """

    def __init__(self, nodes: Mapping[FunctionType, Function], options: Mapping[str, Any]) -> None:
        self._globals = {function.__code__: function.__globals__ for function in nodes}
        self._options = options
        self._attributes, same = attributes(nodes.values(), options)
        self._left_alone = left_alone(nodes, options, self._attributes)
        known = {name: value for name, value in options.items() if value is not Parameter.empty}
        held = SimpleNamespace(**{name: known[of] for name, of in same.items() if of in known})
        self._known = {**known, "self": held, "cls": held}

    def of(
        self, code: CodeType, function: Function, node: ast.AST, test: ast.expr | None, wanted: bool | None,
        done: Sequence[ast.stmt],
    ) -> Excuse | None:  # fmt: skip
        """Return why a way need not be taken; None where it should be.

        Args:
            code: The code that it is in.
            function: The definition of that code.
            node: What guards it.
            test: What decides, or is gone through.
            wanted: The truth value that leads there, where one does.
            done: What is done there.
        """
        if isinstance(node, ast.ExceptHandler):
            return Excuse(HANDLES)
        if done and all(_only_tells(statement) for statement in _until_the_end(done)):
            return Excuse(RAISES)
        if any(word in function.name.lower() for word in TELLING):
            return Excuse(SERVES)
        if test is None:
            return None
        names = [name.lower() for name in _identifiers(test)]
        for kind, words in ((SERVES, SERVING), (ELSEWHERE, OTHERS)):
            if any(word in name for word in words for name in names):
                return Excuse(kind)
        alone = self._left_alone.get(function, {})
        reader = Reader(function, {*self._options, *alone}, self._attributes)
        known = {name: value for name, value in alone.items() if value is not Parameter.empty}
        options = self._hindering(test, wanted, reader, {**self._globals.get(code, {}), **self._known, **known})
        return Excuse(OPTION, options) if options else None

    def _hindering(
        self, test: ast.expr, wanted: bool | None, reader: Reader, names: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Return the options whose values keep a condition from leading there; none where something else may."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._hindering(test.operand, None if wanted is None else not wanted, reader, names)
        if isinstance(test, ast.BoolOp):
            parts = [self._hindering(part, wanted, reader, names) for part in test.values]
            one_is_enough = wanted is isinstance(test.op, ast.And)
            hindered = any(parts) if one_is_enough else all(parts)
            return tuple(dict.fromkeys(name for part in parts for name in part)) if hindered else ()
        if _asks_for_none(test):
            return reader.given(test.left)  # type: ignore[attr-defined]
        found = reader.options(test)
        if not found or wanted is None or any(isinstance(inner, ast.Call) for inner in ast.walk(test)):
            return found
        try:
            value = bool(eval(ast.unparse(test), dict(names)))  # noqa: S307 - options and constants alone
        except Exception:  # what an option became is not known
            return found
        return found if value is not wanted else ()


def _until_the_end(done: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """Return the statements up to the first that leaves."""
    for number, statement in enumerate(done):
        if isinstance(statement, ast.Raise):
            return done[: number + 1]
    return done


def _only_tells(statement: ast.stmt) -> bool:
    """Return whether a statement raises, asserts, warns, or does nothing."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return next(_identifiers(statement.value.func), "") in WARNS
    nothing = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return nothing or isinstance(statement, (ast.Raise, ast.Assert, ast.Pass))


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Yield all names and attributes, the last attribute of a chain first."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute):
            yield inner.attr
        elif isinstance(inner, ast.Name):
            yield inner.id


def _asks_for_none(test: ast.expr) -> bool:
    """Return whether a condition asks if something was given at all."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], (ast.Is, ast.IsNot))
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )
