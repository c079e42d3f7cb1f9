"""Where a target comes from: its file and line, and the package that installed it."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any


def source_of(obj: Any) -> str:
    """Return file and line of a target's definition, as ``FILE:LINE``; empty where there is none.

    Of what a decorator returned these are those of what it was given, where it says what that was.
    """
    if isinstance(obj, partial):
        obj = obj.func
    try:
        obj = inspect.unwrap(obj)
        source = obj if inspect.isclass(obj) or inspect.isfunction(obj) else type(obj)
        if inspect.isclass(source) and source.__module__ not in sys.modules:
            return _by_its_methods(source)
        file, line = inspect.getsourcefile(source), inspect.getsourcelines(source)[1]
    except (TypeError, OSError, ValueError):
        return ""
    return f"{file}:{line}" if file else ""


def _by_its_methods(cls: type) -> str:
    """Return file and line of a class in a file that was run by its path, which no module is there to tell of."""
    files = {held.__code__.co_filename for held in vars(cls).values() if inspect.isfunction(held)}
    for file in sorted(files):
        body: list[ast.stmt] = ast.parse(Path(file).read_text(encoding="utf-8")).body
        found: ast.ClassDef | None = None
        for name in cls.__qualname__.split("."):
            found = next((one for one in body if isinstance(one, ast.ClassDef) and one.name == name), None)
            body = found.body if found else []
        if found is not None:
            return f"{Path(file).absolute()}:{found.lineno}"
    return ""


def package_of(obj: Any) -> str:
    """Return name and version of the package that a target was installed with; empty where there is none."""
    module = getattr(obj, "__module__", "") or ""
    top = module.partition(".")[0]
    return "" if not top or top.startswith("_") else _distribution_of(top)


@cache
def _distribution_of(top: str) -> str:
    """Return name and version of the distribution that installed a module, or that is called as it is."""
    # As packages_distributions, which takes a tenth of a second and more to make an object of every installed file.
    found = next((one for one in importlib.metadata.distributions() if _installs(one, top)), None)
    try:
        found = found or importlib.metadata.distribution(top)
        return f"{found.metadata['Name']} {found.version}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def _installs(distribution: importlib.metadata.Distribution, top: str) -> bool:
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return top in declared
    files = "\n" + (distribution.read_text("RECORD") or "")
    return f"\n{top}/" in files or f"\n{top}.py," in files
