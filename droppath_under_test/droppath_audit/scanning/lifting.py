"""A definition as a file of its own, with the imports, functions, constants and bases that it needs.

They are taken from its own file, and from files of the same package or folder that it imports names of, which cannot be
imported where the package cannot.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from droppath_audit.scanning.reading import Definition, Unread, parsed, statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.scanning.finding import LookAlike
    from droppath_audit.scanning.reading import Source

_FUTURE = "from __future__ import annotations"


class NotLiftable(Exception):
    """A definition needs what cannot be had; the message says what."""


@dataclass(frozen=True)
class Piece:
    """A definition lifted out of its file.

    Attributes:
        text: Source of a file that defines it.
        left_out: Decorators that were left out, because their module is not there.
        others: Other files that something was taken from.
    """

    text: str
    left_out: tuple[str, ...]
    others: tuple[str, ...] = ()


def lift(alike: LookAlike) -> Piece:
    """Return a definition with what it needs of its own file, and of those that this takes names from.

    Of a method whose class needs what is not there the class is left with that method, and those that it calls.

    Raises:
        NotLiftable: If it needs a name that no file of the package defines, or two things of one name.
    """
    try:
        return _Lifting(alike).piece()
    except NotLiftable:
        if "." not in alike.name:
            raise
    return _Lifting(alike, method=alike.name.rpartition(".")[2]).piece()


class _Lifting:
    def __init__(self, alike: LookAlike, method: str = "") -> None:
        self._first, self._name, self._method = alike.source, alike.name.partition(".")[0], method
        # The compiler of torch.jit reads annotations, so that they are needed, and cannot be put off.
        self._jit = any(isinstance(node, ast.Attribute) and node.attr == "jit" for node in ast.walk(alike.node))
        self._left_out: list[str] = []
        self._imports: dict[str, str] = {}  # lines, with the folder of the file that has them
        self._files: dict[str, tuple[Source, dict[int, ast.stmt]]] = {}  # what is kept of each, those needed first last
        self._homes: dict[str, str] = {}  # which file defines each name
        self._aliases: list[str] = []

    def piece(self) -> Piece:
        waiting, done = [(self._first, self._name)], set[tuple[str, str]]()
        while waiting:
            source, name = waiting.pop()
            if (source.file.path, name) in done:
                continue
            done.add((source.file.path, name))
            statement = source.toplevel.get(name)
            if statement is None:
                continue
            if name in source.origins:
                waiting += self._imported(source, name, statement)
                continue
            self._claim(name, source)
            if self._method and name == self._name and isinstance(statement, ast.ClassDef):
                statement = _of_a_method(statement, self._method)
            statement = self._without_decorators(source, statement)
            self._files.setdefault(source.file.path, (source, {}))[1][statement.lineno] = statement
            waiting += [(source, free) for free in (*self._free(statement), *_made_of(source, statement))]
        others = tuple(path for path in self._files if path != self._first.file.path)
        bodies = [
            ast.unparse(kept[line])
            for path in reversed(self._files)
            for kept in [self._files[path][1]]
            for line in sorted(kept)
        ]
        if self._aliases:  # names of other files, before what is of this one
            own = len(self._files[self._first.file.path][1])
            bodies = [*bodies[: len(bodies) - own], "\n".join(self._aliases), *bodies[len(bodies) - own :]]
        head = [] if self._jit else [_FUTURE]
        text = "\n".join([*head, *self._paths(), *self._imports, "", "", "\n\n\n".join(bodies), ""])
        return Piece(text, tuple(self._left_out), others)

    def _claim(self, name: str, source: Source) -> None:
        if self._homes.setdefault(name, source.file.path) != source.file.path:
            raise NotLiftable(f"it needs two definitions that are called {name}")

    def _free(self, node: ast.AST) -> Iterator[str]:
        """Yield the names that a statement reads, but for those of annotations, which are not evaluated."""
        if isinstance(node, ast.Name):
            yield node.id
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns") and not self._jit:
                continue
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from self._free(part)

    def _imported(self, source: Source, name: str, statement: ast.stmt) -> list[tuple[Source, str]]:
        """Keep the line that imports a name, or return the name with the file of the package to take it from."""
        if isinstance(statement, (ast.If, ast.Try)):
            self._keep(source, ast.unparse(statement))
            return []
        assert isinstance(statement, (ast.Import, ast.ImportFrom))  # noqa: S101 - it is in origins
        alias = next(one for one in statement.names if (one.asname or one.name.partition(".")[0]) == name)
        if isinstance(statement, ast.Import):
            self._keep(source, ast.unparse(ast.Import([alias])))
            return []
        place = "." * statement.level + (statement.module or "")
        file = _file_of(source, statement, self._first.file.module.partition(".")[0])
        if file is None and statement.level:
            raise NotLiftable(f"it needs {alias.name} from {place}, which is not there")
        if file is None:
            self._keep(source, ast.unparse(ast.ImportFrom(statement.module, [alias], 0)))
            return []
        try:
            other = parsed(replace(source.file, path=str(file), module=""))
        except Unread as error:
            raise NotLiftable(f"it needs {alias.name} from {place}, which {error}") from None
        if alias.name not in other.toplevel:
            raise NotLiftable(f"it needs {alias.name} from {place}, which does not define it")
        if alias.name != name:
            self._claim(name, source)
            self._aliases.append(f"{name} = {alias.name}")
        # Moved to the end: what was there before may need it.
        if str(file) in self._files and str(file) != self._first.file.path:
            self._files[str(file)] = self._files.pop(str(file))
        return [(other, alias.name)]

    def _keep(self, source: Source, line: str) -> None:
        self._imports.setdefault(line, str(Path(source.file.path).resolve().parent))

    def _without_decorators(self, source: Source, statement: ast.stmt) -> ast.stmt:
        """Return a definition without decorators of modules that are not there, such as those that register it."""
        for node in statements([statement]):
            if isinstance(node, Definition):
                gone = [part for part in node.decorator_list if not _is_there(source, part)]
                self._left_out += [f"@{ast.unparse(part)}" for part in gone]
                node.decorator_list = [part for part in node.decorator_list if part not in gone]
        return statement

    def _paths(self) -> list[str]:
        """Return lines that let a lifted file import what stands beside the one that it was lifted from."""
        folders: dict[str, None] = {}
        for line, folder in self._imports.items():
            top = line.split()[1].partition(".")[0] if line.startswith(("import ", "from ")) else ""
            beside = Path(folder, f"{top}.py").is_file() or Path(folder, top).is_dir()
            if top and beside and not installed(top):
                folders[folder] = None
        return ["import sys", *(f"sys.path.append({folder!r})" for folder in folders)] if folders else []


def _of_a_method(cls: ast.ClassDef, name: str) -> ast.ClassDef:
    """Return a class without bases that has a method, and whatever of its own this reads of itself."""
    own = {node.name: node for node in cls.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    wanted, kept = [name], set[str]()
    while wanted:
        method = own.get(wanted.pop())
        if method is not None and method.name not in kept:
            kept.add(method.name)
            wanted += [node.attr for node in ast.walk(method) if isinstance(node, ast.Attribute)]
    body: list[ast.stmt] = [own[one] for one in own if one in kept]
    alone = ast.ClassDef(cls.name, [], [], body, [])
    return ast.copy_location(alone, cls)


def _made_of(source: Source, statement: ast.stmt) -> Iterator[str]:
    """Yield the classes of the file that annotate what a constructor must be given: an audit makes one of each."""
    for method in statement.body if isinstance(statement, ast.ClassDef) else ():
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            arguments = [*method.args.posonlyargs, *method.args.args]
            for argument in arguments[: len(arguments) - len(method.args.defaults)]:
                kind = argument.annotation
                if isinstance(kind, ast.Name) and isinstance(source.toplevel.get(kind.id), ast.ClassDef):
                    yield kind.id


def _file_of(source: Source, statement: ast.ImportFrom, own: str) -> Path | None:
    """Return the file of the same package or folder that names are imported from; None where it is an installed module.

    Args:
        source: The file that imports.
        statement: How.
        own: Name of the package that is scanned; empty for a folder.
    """
    parts = statement.module.split(".") if statement.module else []
    folder = Path(source.file.path).resolve().parent
    if statement.level:
        for _ in range(statement.level - 1):
            folder = folder.parent
        return _module(folder, parts)
    if not parts or (parts[0] != own and installed(parts[0])):
        return None
    # By the name of the package, which is one of the folders around.
    return next((file for around in folder.parents if (file := _module(around, parts)) is not None), None)


def _module(folder: Path, parts: list[str]) -> Path | None:
    place = folder.joinpath(*parts)
    candidates = (place.with_suffix(".py") if parts else place / "__init__.py", place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _is_there(source: Source, decorator: ast.expr) -> bool:
    """Return whether the module of a decorator can be imported, so far as that is known without importing it."""
    root = decorator
    while isinstance(root, (ast.Attribute, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    name = getattr(root, "id", "")
    statement = source.toplevel.get(name)
    if name not in source.origins or statement is None:
        return True
    relative = isinstance(statement, ast.ImportFrom) and statement.level > 0
    return not relative and installed(source.origins[name].partition(".")[0])


def installed(top: str) -> bool:
    """Return whether there is a module of this name, without importing it."""
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False
