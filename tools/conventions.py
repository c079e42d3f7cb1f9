"""Write ``docs/calling-conventions.md``: ``python -m tools.conventions``.

Every convention of ``tests/unit/targets``, with the command that audits it and what the header says.
``tests/unit/tools`` fails while the page is stale.
"""

from __future__ import annotations

import ast
import re
import shlex
from typing import TYPE_CHECKING

from droppath_audit.targets.loader import load
from tests.unit.targets.conventions import CONVENTIONS, FILE
from tools import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = DOCS / "calling-conventions.md"
NAME = "layers.py"  # what the file is called in commands


def page() -> str:
    """Return the page."""
    source = FILE.read_text(encoding="utf-8")
    defined = dict(_definitions(source))
    by_name = [convention.spec[3:] for convention in CONVENTIONS if convention.spec.startswith("by_")]
    named = [f"`{name}`" for name in sorted(by_name)]
    lines = [
        "# Calling conventions",
        "",
        "Written by `python -m tools.conventions` from `tests/unit/targets`, where each of these small layers must be",
        "read, driven and found sound. `drop` is one function that draws, selects and divides:",
        "",
        "```python",
        defined["drop"],
        "```",
        "",
        f"`drop(x, NAME, training)` is read without any item where NAME is one of {', '.join(named)}.",
    ]
    for name, specs in _grouped():
        if name not in defined:
            continue
        lines += ["", f"## `{name}`", "", "```python", defined[name], "```", ""]
        for spec in specs:
            lines += _told(spec)
    return "\n".join(lines) + "\n"


def _definitions(source: str) -> Iterable[tuple[str, str]]:
    """Yield the source of what a file defines, by name; of a decorated one with its decorators."""
    text = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, "\n".join(text[first - 1 : node.end_lineno])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, "\n".join(text[node.lineno - 1 : node.end_lineno])


def _grouped() -> Iterable[tuple[str, list[str]]]:
    """Yield what is audited, with the SPECs of each, in order."""
    found: dict[str, list[str]] = {}
    for convention in CONVENTIONS:
        if not convention.spec.startswith("by_"):
            found.setdefault(re.split(r"[?.]", convention.spec)[0], []).append(convention.spec)
    return found.items()


def _told(spec: str) -> list[str]:
    """Return the command of one SPEC and what the header says of it, as lines of an indented block."""
    facts = load(f"{FILE}:{spec}").facts
    header = [("called", facts.called), ("dialect", f"{facts.arguments} · {facts.dialect.describe()}")]
    header += [("read", note) for note in facts.notes]
    return [
        "```console",
        f"$ droppath-audit {shlex.quote(f'{NAME}:{spec}')}",
        *(f"{key:8} {value}" for key, value in header),
        "```",
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
