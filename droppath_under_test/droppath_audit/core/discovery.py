"""Finding implementations by where they stand: every public class and function of a package's own public files."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def implementations(package: str) -> Mapping[str, str]:
    """Return the SPEC of every public class and function defined in a package's files, by its name.

    Args:
        package: Dotted name of the package.

    Raises:
        ValueError: If two files define the same name.
    """
    found: dict[str, str] = {}
    for info in iter_modules(import_module(package).__path__):
        if info.ispkg or info.name.startswith("_"):
            continue
        module = import_module(f"{package}.{info.name}")
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            if not ours or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if name in found:
                raise ValueError(f"{module.__name__} defines {name}, which another file defines already")
            items = getattr(value, "items", "")
            found[name] = f"{module.__name__}:{name}" + (f"?{items}" if isinstance(items, str) and items else "")
    return found
