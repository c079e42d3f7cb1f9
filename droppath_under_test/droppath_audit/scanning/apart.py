"""A target apart from its file, where that cannot be imported."""

from __future__ import annotations

import ast
import builtins
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError
from droppath_audit.scanning.finding import LookAlike
from droppath_audit.scanning.lifting import NotLiftable, installed, lift
from droppath_audit.scanning.reading import Definition, Unread, parsed
from droppath_audit.scanning.sources import File
from droppath_audit.targets.spec import parse, quoted

if TYPE_CHECKING:
    from droppath_audit.scanning.lifting import Piece

MODULE = ("__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__class__")


def lifted_out(text: str) -> Piece | None:
    """Return what a SPEC names with what it needs of its file; None where it names nothing in a file.

    Raises:
        UsageError: If it is no SPEC.
        NotLiftable: As for ``apart``.
    """
    spec = parse(text)
    return apart(spec.module, spec.name) if spec.is_file and spec.name else None


def written_apart(text: str, reason: str, folder: Path) -> str | None:
    """Write a target apart from its file, where it needs nothing that is missing, and return its SPEC; else None.

    Args:
        text: The SPEC of a target whose file cannot be imported.
        reason: Why it cannot.
        folder: Where to; a target of one file has the same place in it every time.
    """
    with suppress(UsageError, NotLiftable, OSError, RuntimeError):
        piece, source = lifted_out(text), Path(parse(text).module).resolve()
        if piece is None or folder.resolve() in source.parents:
            return None
        file = folder / sha256(str(source).encode()).hexdigest()[:12] / source.name
        file.parent.mkdir(parents=True, exist_ok=True)
        said = " ".join(reason.split())
        file.write_text(f"# Lifted out of {source}, which cannot be imported: {said}\n{piece.text}", encoding="utf-8")
        return f"{quoted(str(file))}:{text.rpartition('.py:')[2]}"
    return None


def apart(path: str, name: str) -> Piece:
    """Return a definition with what it needs of its file, whatever it looks like.

    Args:
        path: The file.
        name: Of a class or function in it, dotted for a method.

    Raises:
        NotLiftable: If there is none of that name, or it needs what cannot be had; the message says what.
    """
    try:
        source = parsed(File(path, "", str(Path(path).parent)))
    except Unread as error:
        raise NotLiftable(f"the file {error}") from None
    node = source.toplevel.get(name.partition(".")[0])
    if not isinstance(node, Definition):
        raise NotLiftable(f"the file defines no {name} itself")
    piece = lift(LookAlike(name, node, source, ""))
    for statement in ast.parse(piece.text).body:
        for module in _imported(statement):
            if not installed(module):
                raise NotLiftable(f"it needs the module {module!r} itself")
    if unsaid := _unsaid(ast.parse(piece.text)):
        if any(isinstance(one, ast.ImportFrom) and one.names[0].name == "*" for one in source.tree.body):
            raise NotLiftable("its file takes all names of a module, and which of these it needs cannot be seen")
        raise NotLiftable(f"its file never says what {' and '.join(unsaid)} is")
    return piece


def _unsaid(tree: ast.Module) -> list[str]:
    """Return the names that are read somewhere, annotations aside, and given a meaning nowhere, in order."""
    kinds = {"arg": "annotation", "AnnAssign": "annotation", "FunctionDef": "returns", "AsyncFunctionDef": "returns"}
    said = (getattr(node, kinds.get(type(node).__name__, ""), None) for node in ast.walk(tree))
    unread = {inner for one in said if isinstance(one, ast.AST) for inner in ast.walk(one)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in unread]
    known = {node.id for node in names if not isinstance(node.ctx, ast.Load)} | {*vars(builtins), *MODULE}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            known.add(node.name or "")
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.MatchAs):
            known.add(node.name or "")
    return list(dict.fromkeys(node.id for node in names if node.id not in known))


def _imported(statement: ast.stmt) -> list[str]:
    """Return the packages that a statement imports from."""
    if isinstance(statement, ast.Import):
        return [alias.name.partition(".")[0] for alias in statement.names]
    return [(statement.module or "").partition(".")[0]] if isinstance(statement, ast.ImportFrom) else []
