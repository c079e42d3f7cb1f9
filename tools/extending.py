"""Write what ``docs/extending.md`` says of the code: ``python -m tools.extending``.

``tests/unit/tools`` fails while it is stale.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit import frameworks
from droppath_audit.checks import everything
from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import capabilities
from droppath_audit.frameworks.spelling import Operation, Spelling
from tools import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = DOCS / "extending.md"
EXAMPLE = Path(frameworks.__path__[0]) / "numpy"
FILES = ("__init__.py", "adapter.py", "operations.py", "spelling.py")
BELONGS = re.compile(r"^``(\w+)``: (.*)$")  # a spelling's docstring begins with its capability
BLOCK = re.compile(r"(<!-- (\w+): written by python -m tools\.extending -->\n).*?(<!-- end of \2 -->\n)", re.DOTALL)


def extending_page(text: str) -> str:
    """Return the page with every part that the code says written anew.

    Raises:
        KeyError: If a part has a name that is not known here.
    """
    parts = {
        "operations": lambda: _table(Framework, _abstract(Framework)),
        "defaults": lambda: _table(Framework, _methods(Framework) - _abstract(Framework)),
        "spellings": lambda: _table(Spelling, set(_spelled(""))),
        "capabilities": _capabilities,
        "example": _example,
    }
    return BLOCK.sub(lambda block: "\n".join([block[1], *parts[block[2]](), block[3]]), text)


def lines_of_example() -> int:
    """Return the lines of all files of the worked example."""
    return sum(len((EXAMPLE / name).read_text(encoding="utf-8").splitlines()) for name in FILES)


def _methods(cls: type) -> set[str]:
    return {name for name, value in vars(cls).items() if inspect.isfunction(value)}


def _abstract(cls: type) -> set[str]:
    return _methods(cls) & getattr(cls, "__abstractmethods__", set())


def _attributes(cls: type) -> list[str]:
    properties = [name for name, value in vars(cls).items() if isinstance(value, property)]
    return [*vars(cls).get("__annotations__", {}), *properties]


def _call(cls: type, name: str) -> str:
    value = vars(cls)[name]
    parameters = value.parameters if isinstance(value, Operation) else [*inspect.signature(value).parameters][1:]
    return f"`{name}({', '.join(parameters)})`"


def _first_sentence(obj: Any) -> str:
    """Return the first paragraph of a docstring on one line, in Markdown."""
    return " ".join((inspect.getdoc(obj) or "").partition("\n\n")[0].split()).replace("``", "`")


def _table(cls: type, names: set[str]) -> Iterable[str]:
    yield from ("| method | what it owes |", "|---|---|")
    for name in vars(cls):  # in the order of their definition
        if name in names:
            yield f"| {_call(cls, name)} | {_first_sentence(vars(cls)[name])} |"
    yield ""


def _spelled(capability: str) -> list[str]:
    """Return the spellings that belong to a capability; to none, for an empty name."""
    found = []
    for name, value in vars(Spelling).items():
        if isinstance(value, Operation) or (inspect.isfunction(value) and not name.startswith("_")):
            belongs = BELONGS.match((inspect.getdoc(value) or "").partition("\n")[0])
            if (belongs[1] if belongs else "") == capability:
                found.append(name)
    return found


def _capabilities() -> Iterable[str]:
    for kind in capabilities():
        checks = [check for check in everything().values() if kind in check.needs]
        listed = ", ".join(f"[{check.id}](checks.md#{check.id.lower()}-{check.slug})" for check in checks)
        attributes = [f"`{name}`" for name in _attributes(kind)]
        spelled = [_call(Spelling, name) for name in _spelled(kind.__name__)]
        yield from (f"**{kind.__name__}.** {_first_sentence(kind)}", "")
        yield from _table(kind, _abstract(kind))
        yield f"Attributes: {', '.join(attributes) or 'none'}. Spellings: {', '.join(spelled) or 'none'}."
        yield f"Checks that need it: {listed or 'none'}."
        yield ""


def _example() -> Iterable[str]:
    yield from (f"{lines_of_example()} lines in all, blank ones included.", "")
    for name in FILES:
        text = (EXAMPLE / name).read_text(encoding="utf-8").rstrip()
        yield from (f"`frameworks/numpy/{name}`", "", "```python", text, "```", "")


if __name__ == "__main__":
    PAGE.write_text(extending_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
