"""Which files hold the code under test."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import droppath_audit
from droppath_audit.core.packages import FRAMEWORKS, INSTALLED

if TYPE_CHECKING:
    from collections.abc import Callable

_RUN = re.compile(r"""\brunpy\.run_path\(['"]([^'"]+)['"]\)""")
_OURS = Path(droppath_audit.__file__).parent


def ownership(origin: str, factory: str = "") -> Callable[[str], bool]:
    """Return what tells whether a file belongs to the code under test.

    That is all of the top-level package in which the target is defined, or, outside of any package, of its folder. Of a
    framework, and of this package, whose samples are targets, it is the one folder. Where that file runs another one by
    its path, as a factory does, it is the folder of that, too.

    Args:
        origin: The file in which the target is defined.
        factory: A file that was written to drive a block, and holds nothing of it.
    """
    file = Path(origin).absolute()
    ran = [Path(path).absolute() for path in _RUN.findall(_text(file))]
    roots = {_root(one) for one in (file, *ran)}
    installed = bool(INSTALLED & set(file.parts))

    @cache
    def owns(name: str) -> bool:
        if name.startswith("<"):
            return False
        path = Path(name).absolute()
        if factory and path == Path(factory).absolute():
            return False
        return not roots.isdisjoint(path.parents) and (installed or not INSTALLED & set(path.parts))

    return owns


def _root(file: Path) -> Path:
    root = file.parent
    package = (root / "__init__.py").exists()
    while package and (root.parent / "__init__.py").exists():
        root = root.parent
    return file.parent if package and (root.name in FRAMEWORKS or root == _OURS) else root


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
