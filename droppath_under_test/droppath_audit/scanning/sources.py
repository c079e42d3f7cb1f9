"""Which files a scan reads: those of a package, found without importing it, or of a folder."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.scanned import Skipped
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Folders that hold no code of their own: caches, and packages of others that happen to be installed there.
FOREIGN = {"__pycache__", "node_modules", "site-packages", "dist-packages"}


@dataclass(frozen=True)
class File:
    """A file to read.

    Attributes:
        path: As a user would write it.
        module: The module that it is; empty in a folder.
        root: The folder that the scan began at.
    """

    path: str
    module: str
    root: str


@dataclass(frozen=True)
class Sources:
    """What a scan reads.

    Attributes:
        where: Folders, or the file.
        files: The files in them, in order.
        skipped: Folders that are left out.
        note: How the name was understood, where it may mean something else.
    """

    where: tuple[str, ...]
    files: tuple[File, ...]
    skipped: tuple[Skipped, ...] = ()
    note: str = ""


def locate(target: str) -> Sources:
    """Return the files of a package, a folder or a file.

    A name that is an installed package as well as a folder is the package: ``./NAME`` is the folder.

    Raises:
        UsageError: If there is no such package, folder or file, or it holds no Python.
    """
    here = Path(working_directory())
    looks_like_path = any(mark in target for mark in (os.sep, "/")) or target in (".", "..") or target.endswith(".py")
    folder, note = Path(target), ""
    # Nobody keeps a DropPath in the standard library, whose many names folders have as well.
    library = target.partition(".")[0] in sys.stdlib_module_names
    if not looks_like_path and not library and all(part.isidentifier() for part in target.split(".")):
        found = _package(target)
        # A folder of the working directory without __init__.py can be imported as well, and nobody means that.
        bare = found is not None and all(
            Path(place).parent == here and Path(place).is_dir() and not _is_package(place) for place in found
        )
        if found and not bare:
            if folder.is_dir() and str(folder.resolve()) not in {os.path.realpath(place) for place in found}:
                note = f"{target} is the installed package; the folder of that name is ./{target}"
            return _sources(found, target, note)
    try:
        if folder.is_file():
            if folder.suffix != ".py":
                raise UsageError(f"{shortened(target)} is no file of Python, whose name ends in .py.")
            return Sources((target,), (File(target, "", str(folder.parent)),))
        if folder.is_dir():
            return _sources([target], "", note)
    except (OSError, ValueError):
        pass
    raise UsageError(_missing(target))


def _missing(target: str) -> str:
    name = shortened(target)
    if ":" in target:
        return f"{name} is a SPEC of one target; 'droppath-audit {name}' audits it. A scan takes a package or a folder."
    importable = target.replace("-", "_")
    if importable != target and importable.isidentifier() and _package(importable):
        return f"There is no package {name}. It is named as it is imported: {importable}"
    folder = Path(target).parent
    names = [found.name for found in folder.iterdir() if found.is_dir()] if folder.is_dir() else []
    return f"There is no package {name} in this environment ({sys.executable}), and no such folder." + nearest(
        Path(target).name, names
    )


def _package(name: str) -> list[str] | None:
    """Return the folders of a package, or the file of a module, without importing either."""
    top, *rest = name.split(".")
    here = working_directory()
    try:
        spec = importlib.util.find_spec(top)
        if spec is None and here not in sys.path:
            spec = PathFinder.find_spec(top, [here])
    except (ImportError, ValueError):  # of a module that was put there by hand
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        return [spec.origin] if spec.origin and spec.origin.endswith(".py") and not rest else None
    places = list(spec.submodule_search_locations)
    for part in rest:
        inside = [os.path.join(place, part) for place in places]  # noqa: PTH118 - text, as the finder gave it
        places = [place for place in inside if Path(place).is_dir()] or [
            f"{place}.py" for place in inside if Path(f"{place}.py").is_file()
        ]
    return places or None


def _is_package(place: str) -> bool:
    return place.endswith(".py") or (Path(place) / "__init__.py").is_file()


def _sources(places: Iterable[str], module: str, note: str) -> Sources:
    files: list[File] = []
    skipped: list[Skipped] = []
    where = tuple(_shown(place) for place in places)
    for place in where:
        if place.endswith(".py") and Path(place).is_file():
            files.append(File(place, module, str(Path(place).parent)))
        else:
            files += _walk(place, module, skipped)
    if not files:
        raise UsageError(f"There is no file of Python in {', '.join(shortened(place) for place in where)}.")
    return Sources(where, tuple(files), tuple(skipped), note)


def _shown(place: str) -> str:
    """Return a path as a user would write it: relative where it is below the working directory."""
    path = Path(place)
    here = Path(working_directory())
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) and path != here else place


def _walk(root: str, module: str, skipped: list[Skipped]) -> Iterator[File]:
    def refuse(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), error.strerror or "cannot be read"))

    for folder, inner, names in os.walk(root, onerror=refuse):
        for name in sorted(inner):
            path = Path(folder, name)
            foreign = name in FOREIGN or (path / "pyvenv.cfg").is_file()
            if foreign or name.startswith("."):
                inner.remove(name)
                if name not in ("__pycache__", ".git"):
                    skipped.append(Skipped(str(path), "packages of others" if foreign else "a hidden folder"))
        inner.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder, name)
                parts = path.relative_to(root).with_suffix("").parts
                dotted = ".".join(part for part in (module, *parts)).removesuffix(".__init__") if module else ""
                is_name = all(part.isidentifier() for part in dotted.split("."))
                yield File(str(path), dotted if is_name else "", root)
