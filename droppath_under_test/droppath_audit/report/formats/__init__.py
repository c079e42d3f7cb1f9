"""Forms of a report that are made from its JSON document: one file a form, found by being here.

A file defines ``WHAT``, what it is in a few words, and ``text``, which returns the form of a document (see
``report/schema.json``). Its name is that of the option that asks for it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@cache
def names() -> tuple[str, ...]:
    """Return the names of all forms."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def what(name: str) -> str:
    """Return in a few words what a form is."""
    return str(import_module(f"{__name__}.{name}").WHAT)


def text_of(name: str, document: Mapping[str, Any]) -> str:
    """Return a form of a document of reports."""
    write: Callable[[Mapping[str, Any]], str] = import_module(f"{__name__}.{name}").text
    return write(document)
