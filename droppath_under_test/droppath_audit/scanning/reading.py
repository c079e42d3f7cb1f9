"""A file as a scan reads it: its definitions, its imports with where they come from, and lines that draw."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from droppath_audit.scanning.names import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.scanning.sources import File

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

_DEFINED = re.compile(rb"^[ \t]*(?:class|(?:async[ \t]+)?def)[ \t]+(\w+)", re.MULTILINE)
# Lines of code that draw, and no comments or examples in docstrings; a dropout draws a mask where it is given ones.
_CODE = rb"^(?!\s*(?:#|>>>|\.\.\.)).*"
_DRAWING = re.compile(
    _CODE + rb"\b(?:rand|rand_like|\w*[bB]ernoulli\w*|uniform\w*|binomial|randperm|permutation|random\w*)\s*\(",
    re.MULTILINE,
)
_DROPPING_OUT = re.compile(_CODE + rb"[dD]ropout\w*\s*\(", re.MULTILINE)
_ONES = re.compile(_CODE + rb"\b(?:ones|new_ones|full|ones_like|noise_shape|broadcast_dims)\b", re.MULTILINE)
_PROBABLE = re.compile(rb"(?i)drop|keep|surviv|death|stoch|skip|prob|rate|train")


class Unread(Exception):
    """A file that cannot be read; the message says why."""


@dataclass(frozen=True)
class Source:
    """A parsed file.

    Attributes:
        file: Which.
        tree: Its syntax tree.
        data: Its bytes.
    """

    file: File
    tree: ast.Module
    data: bytes

    @cached_property
    def _lines(self) -> tuple[list[int], list[int], list[int]]:
        """Lines that draw, that drop out, and that make ones."""
        drawing, dropping, ones = (
            [self.data.count(b"\n", 0, match.start()) + 1 for match in pattern.finditer(self.data)]
            for pattern in (_DRAWING, _DROPPING_OUT, _ONES)
        )
        return drawing, dropping, ones

    def draws(self, node: ast.stmt) -> bool:
        """Return whether a definition may draw: in a line of its own, or in a function of the file that it calls."""
        if self._draws_itself(node):
            return True
        return bool(self._drawing_functions) and any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in self._drawing_functions
            for part in ast.walk(node)
        )

    def _draws_itself(self, node: ast.stmt) -> bool:
        drawing, dropping, ones = (
            any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines) for lines in self._lines
        )
        return drawing or (dropping and ones)

    @cached_property
    def _drawing_functions(self) -> set[str]:
        found = {name for name, node in self.functions.items() if self._draws_itself(node)}
        while True:
            more = {
                name
                for name, node in self.functions.items()
                if name not in found and any(isinstance(part, ast.Name) and part.id in found for part in ast.walk(node))
            }
            if not more:
                return found
            found |= more

    @cached_property
    def toplevel(self) -> dict[str, ast.stmt]:
        """What defines each name at the top of the file; of one in an ``if`` or ``try`` the whole of that."""
        found: dict[str, ast.stmt] = {}
        for statement in self.tree.body:
            for name in _bound(statement):
                found[name] = statement
        return found

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Functions at the top of the file."""
        return {node.name: node for node in statements(self.tree.body) if isinstance(node, Function)}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes at the top of the file."""
        return {node.name: node for node in statements(self.tree.body) if isinstance(node, ast.ClassDef)}

    @cached_property
    def origins(self) -> dict[str, str]:
        """Where each imported name comes from, dotted; relative imports begin with the path of their folder."""
        found = {}
        for node in statements(self.tree.body):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{self._home(node)}.{alias.name}"
        return found

    def _home(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        if self.file.module:
            is_package = self.file.path.endswith("__init__.py")
            parts = self.file.module.split(".")
            parts = parts[: len(parts) - node.level + is_package]
            return ".".join([*parts, *([node.module] if node.module else [])])
        folder = Path(self.file.path).resolve()
        for _ in range(node.level):
            folder = folder.parent
        return f"{folder}:{node.module or ''}"

    def dotted(self, node: ast.expr) -> str:
        """Return the dotted name of an expression with its imports resolved; empty where it is no such name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.origins.get(node.id, node.id), *reversed(parts)])

    def definitions(self) -> Iterator[tuple[str, Definition, ast.ClassDef | None, bool]]:
        """Yield every function and class, with its dotted name, the class around it, and whether a function is."""
        yield from _definitions(self.tree.body, "", None, inside=False)


def read(file: File) -> Source | None:
    """Return a file that may hold a look-alike, parsed; None for one that holds none.

    Raises:
        Unread: If it cannot be read or parsed.
    """
    data = _data(file)
    return _parsed(file, data) if _may_hold(data) else None


def parsed(file: File) -> Source:
    """Return a file, parsed, whatever it holds.

    Raises:
        Unread: If it cannot be read or parsed.
    """
    return _parsed(file, _data(file))


def _data(file: File) -> bytes:
    try:
        return Path(file.path).read_bytes()
    except OSError as error:
        raise Unread(f"cannot be read: {error.strerror}") from None


def _parsed(file: File, data: bytes) -> Source:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and comparisons in somebody else's code
            return Source(file, ast.parse(data, filename=file.path), data)
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        raise Unread(f"does not parse: {line}{error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unread(f"does not parse: {str(error) or type(error).__name__}") from None


def _may_hold(data: bytes) -> bool:
    if any(_is_named(match) for match in set(_DEFINED.findall(data))):
        return True
    drawing = _DRAWING.search(data) or (_DROPPING_OUT.search(data) and _ONES.search(data))
    return bool(drawing and _PROBABLE.search(data))


@cache
def _is_named(name: bytes) -> bool:
    return named(name.decode("utf-8", "replace"))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body, those in ``if``, ``try`` and ``with`` included."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            for inner in (node.body, getattr(node, "orelse", []), getattr(node, "finalbody", [])):
                yield from statements(inner)
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body)


def _bound(statement: ast.stmt) -> Iterator[str]:
    for node in statements([statement]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _definitions(
    body: list[ast.stmt], prefix: str, owner: ast.ClassDef | None, *, inside: bool
) -> Iterator[tuple[str, Definition, ast.ClassDef | None, bool]]:
    for node in statements(body):
        if isinstance(node, Definition):
            name = f"{prefix}{node.name}"
            yield name, node, owner, inside
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, f"{name}.", node, inside=inside)
            else:
                yield from _definitions(node.body, f"{name}.", None, inside=True)


def last(node: ast.expr) -> str:
    """Return the last name of a dotted one; empty for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def root_of(node: ast.expr) -> str:
    """Return the name that a dotted, indexed or called expression begins with; empty where it begins with none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
