"""The conditions of some functions, read from their source: which ways each leads, and which of them were taken."""

from __future__ import annotations

import ast
import dis
import linecache
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.excuses import Excuse, Excuses
from droppath_audit.probes.observing import SEES_BRANCHES, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import CodeType, FunctionType

    Guard = ast.If | ast.While | ast.For | ast.AsyncFor | ast.IfExp | ast.ExceptHandler | ast.match_case
    Function = ast.FunctionDef | ast.AsyncFunctionDef
    Place = tuple[int, int, int, int]  # first and last line and column, as the interpreter counts them

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Way:
    """A way that a condition leads.

    Attributes:
        file: Name of the file in which it stands.
        function: In which function.
        line: Where the condition begins.
        says: The condition as it is written, such as ``if x.is_sparse``.
        condition: What decides; empty where no expression does alone.
        wanted: The truth value that leads there; None where no expression decides alone.
        first: First line of what was to be executed; 0 where that has no lines of its own.
        last: Its last line.
        text: The lines from the condition to the first of these, each without what is around it.
        excuse: Why no call of an audit need lead there; None where one should.
    """

    file: str
    function: str
    line: int
    says: str
    condition: str
    wanted: bool | None
    first: int
    last: int
    text: tuple[str, ...]
    excuse: Excuse | None

    def describe(self) -> str:
        """Return that it was never taken, in words."""
        said = f"`{self.says}`"
        if not self.first:
            return f"line {self.line} was never {str(self.wanted).lower()}: {said}"
        lines = f"lines {self.first}–{self.last} were" if self.last > self.first else f"line {self.first} was"
        return f"{lines} never executed: {'else of ' if self.wanted is False else ''}{said}"


@dataclass(frozen=True)
class Observable:
    """A way, and how it is known whether it was taken.

    Attributes:
        way: The way.
        code: The code that it is in.
        lines: Lines one of which runs where it was taken; empty where only steps tell.
        steps: Whether a step is one on this way.
        guard: Lines of the condition.
    """

    way: Way
    code: CodeType
    lines: frozenset[int]
    steps: Callable[[int, int], bool]
    guard: range

    def taken(self, ran: Mapping[CodeType, Ran]) -> bool:
        """Return whether it was."""
        found = ran[self.code]
        return bool(self.lines & found.lines) if self.lines else any(self.steps(*step) for step in found.steps)

    def decided(self, ran: Mapping[CodeType, Ran]) -> bool:
        """Return whether the condition was evaluated, or what is guarded was begun, at all."""
        return any(line in ran[self.code].lines for line in self.guard)


class Conditions:
    """The conditions of functions.

    Args:
        functions: Whose.
        options: Arguments that every call of the audit leaves as they are, by name.

    Raises:
        NotApplicable: If none of the functions has source.

    Attributes:
        ways: All ways that can be seen to be taken.
        codes: The code of the functions, and of those that are defined inside.
        names: Names of the functions that have source.
    """

    def __init__(self, functions: Sequence[FunctionType], options: Mapping[str, Any]) -> None:
        found = [(function, node) for function in functions if (node := _node(function.__code__)) is not None]
        if not found:
            raise NotApplicable("its code has no source" if functions else "it has no code in Python")
        excuses = Excuses(dict(found), options)
        self.ways: list[Observable] = []
        self.codes: dict[CodeType, None] = {}
        self.names = {function.__code__: function.__qualname__ for function, _ in found}
        for function, _ in found:
            for code in _codes(function.__code__):
                node = _node(code)
                if code not in self.codes and node is not None:
                    self.ways += _ways(code, node, excuses)
                self.codes[code] = None


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from _codes(constant)


def _node(code: CodeType) -> Function | None:
    """Return the definition in source that code was compiled from."""
    return _definitions(code.co_filename).get((code.co_name, code.co_firstlineno))


@lru_cache(maxsize=64)
def _definitions(file: str) -> dict[tuple[str, int], Function]:
    """Return the functions that a file defines, by name and first line, decorators included."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    return {
        (node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])): node
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }


def _ways(code: CodeType, function: Function, excuses: Excuses) -> Iterator[Observable]:
    """Yield the ways of all conditions of a function, but of those in functions that it defines."""
    there = frozenset(line for *_, line in code.co_lines() if line)
    reader = _Reader(code, function, excuses, there)
    yield from reader.block(function.body)


class _Reader:
    """Reads one function."""

    def __init__(self, code: CodeType, function: Function, excuses: Excuses, there: frozenset[int]) -> None:
        self._code, self._function, self._excuses, self._there = code, function, excuses, there
        self._branches = _Branches(code) if SEES_BRANCHES else None

    def block(self, statements: Sequence[ast.stmt]) -> Iterator[Observable]:
        """Yield the ways of the conditions in a block."""
        for statement, following in zip(statements, [*statements[1:], None], strict=False):
            if isinstance(statement, SCOPES):
                continue
            if isinstance(statement, (ast.If, ast.While)):
                yield from self._deciding(statement, following)
            elif isinstance(statement, (ast.For, ast.AsyncFor)):
                head = f"for {ast.unparse(statement.target)} in {ast.unparse(statement.iter)}"
                yield from self._body(statement.body, statement, head, statement.iter)
            yield from self._inside(statement)

    def _inside(self, node: ast.AST) -> Iterator[Observable]:
        """Yield the ways of what a statement holds: further blocks, and conditional expressions."""
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from self.block(value)
            else:
                for child in value if isinstance(value, list) else [value]:
                    if not isinstance(child, ast.AST) or isinstance(child, SCOPES):
                        continue
                    if isinstance(child, ast.ExceptHandler):
                        kind = f" {ast.unparse(child.type)}" if child.type else ""
                        yield from self._body(child.body, child, f"except{kind}", None)
                    elif isinstance(child, ast.match_case):
                        guard = f" if {ast.unparse(child.guard)}" if child.guard else ""
                        head = f"case {ast.unparse(child.pattern)}{guard}"
                        yield from self._body(child.body, child, head, getattr(node, "subject", None))
                    elif isinstance(child, ast.IfExp):
                        yield from self._either(child)
                    yield from self._inside(child)

    def _deciding(self, node: ast.If | ast.While, following: ast.stmt | None) -> Iterator[Observable]:
        """Yield both ways of a statement that decides."""
        word = "while" if isinstance(node, ast.While) else self._word(node)
        says, test = f"{word} {ast.unparse(node.test)}", node.test
        body = range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1)
        guard = range(node.lineno, (test.end_lineno or test.lineno) + 1)
        apart = body.start not in guard
        if isinstance(test, ast.Constant) or not (apart or self._branches):
            return  # nothing decides, or nobody sees it
        yield from self._way(node, says, test, True, node.body if apart else None, node.body)
        done = node.orelse or ([following] if following else [])
        yield from self._way(node, says, test, False, node.orelse or None, done)

    def _word(self, node: ast.If) -> str:
        line = linecache.getline(self._code.co_filename, node.lineno)
        return "elif" if line[node.col_offset :].startswith("elif") else "if"

    def _either(self, node: ast.IfExp) -> Iterator[Observable]:
        """Yield both ways of a conditional expression, where they can be seen."""
        if self._branches:
            says = f"… if {ast.unparse(node.test)} else …"
            yield from self._way(node, says, node.test, True, None, [])
            yield from self._way(node, says, node.test, False, None, [])

    def _body(self, body: list[ast.stmt], node: Guard, says: str, test: ast.expr | None) -> Iterator[Observable]:
        """Yield the one way of what guards a body by no truth value."""
        yield from self._way(node, says, test, None, body, body)

    def _way(
        self, node: Guard, says: str, test: ast.expr | None, wanted: bool | None,
        body: list[ast.stmt] | None, done: list[ast.stmt],
    ) -> Iterator[Observable]:  # fmt: skip
        """Yield a way, where it can be seen to be taken.

        Args:
            node: What guards it.
            says: How that is written.
            test: What decides.
            wanted: The truth value of the way.
            body: What has lines of its own, in code; None where there is none.
            done: What is done there, as far as it is known.
        """
        start = getattr(node, "lineno", body[0].lineno if body else 0)
        if isinstance(node, ast.match_case):
            start = node.pattern.lineno
        head = test if test is not None and not isinstance(node, ast.match_case) else None
        guard = range(start, max(start, (head.end_lineno or 0) if head else start) + 1)
        excuse = self._excuses.of(self._code, self._function, node, test, wanted, done)
        decides = wanted is not None and test is not None
        first = last = 0
        lines: frozenset[int] = frozenset()
        if body:
            first, last = body[0].lineno, body[-1].end_lineno or body[-1].lineno
            lines = frozenset(self._there.intersection(range(first, last + 1)).difference(guard))
            if not lines:
                return
        way = Way(
            Path(self._code.co_filename).name, self._function.name, start, says,
            ast.unparse(test) if decides and test is not None else "", wanted, first, last,
            self._text(start, first or start), excuse,
        )  # fmt: skip
        if not lines and test is None:
            return
        yield Observable(way, self._code, lines, self._seen_by(node, test, wanted, guard), self._reached(node, guard))

    def _reached(self, node: Guard, guard: range) -> range:
        """Return the lines that run where the way was to be decided."""
        if isinstance(node, (ast.ExceptHandler, ast.match_case)):
            # Neither is looked at where nothing was raised, or an earlier case has matched.
            return range(self._code.co_firstlineno, guard.stop)
        return guard

    def _seen_by(
        self, node: Guard, test: ast.expr | None, wanted: bool | None, guard: range
    ) -> Callable[[int, int], bool]:
        """Return what says of a step whether it goes this way."""
        if test is None or wanted is None or not isinstance(node, (ast.If, ast.While, ast.IfExp)):
            return lambda *_: False
        parts: Sequence[ast.AST] = [node.body] if isinstance(node, ast.IfExp) else node.body
        if self._branches:
            branches, place = self._branches, _place(test, test)
            body = _place(parts[0], parts[-1])
            return lambda start, end: branches.way(start, end, place, body) is wanted
        inside = range(parts[0].lineno, (parts[-1].end_lineno or 0) + 1)  # type: ignore[attr-defined]
        return lambda start, end: start in guard and end not in guard and (end in inside) is wanted

    def _text(self, start: int, end: int) -> tuple[str, ...]:
        return tuple(line.strip() for line in linecache.getlines(self._code.co_filename)[start - 1 : end])


class _Branches:
    """Where the instructions of code stand in its source, and where those go on that always jump."""

    def __init__(self, code: CodeType) -> None:
        self._places: dict[int, Place] = {}
        self._jumps: dict[int, int] = {}
        self._deciding: list[int] = []
        self._skipped: dict[int, int] = {}  # what only counts that a jump was not taken, with what follows it
        marker: int | None = None
        for instruction in dis.get_instructions(code):
            name, offset = instruction.opname, instruction.offset
            if marker is not None:
                self._skipped[marker], marker = offset, None
            if name == "NOT_TAKEN":
                marker = offset
            if "JUMP_IF" in name:
                self._deciding.append(offset)
            elif name.startswith("JUMP"):
                self._jumps[offset] = instruction.argval
            found: Any = getattr(instruction, "positions", None)
            if found is not None and None not in tuple(found):
                self._places[offset] = (found.lineno, found.col_offset, found.end_lineno, found.end_col_offset)

    def way(self, start: int, end: int, test: Place, body: Place) -> bool | None:
        """Return which way of a test a step goes, or None where it is no step of it or stays within."""
        if not self._inside(start, test):
            return None
        last = max((offset for offset in self._deciding if self._inside(offset, test)), default=start)
        end = self._skipped.get(end, end)
        if start < end <= last and self._inside(end, test):
            return None  # to another part of the same condition
        for _ in range(4):  # a jump to a jump, and none without end
            if self._inside(end, body):
                return True
            if end not in self._jumps:
                break
            end = self._jumps[end]
        return False

    def _inside(self, offset: int, outer: Place) -> bool:
        place = self._places.get(offset)
        return place is not None and place[:2] >= outer[:2] and place[2:] <= outer[2:]


def _place(first: Any, last: Any) -> Place:
    return first.lineno, first.col_offset, last.end_lineno or last.lineno, last.end_col_offset or 0
