"""Correct implementations written in other ways than the reference: an audit of any of them must raise no alarm.

Every public class or function defined in a file of this package is one; ``items``, as for mutants, says its dialect.
"""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def sound_variants() -> Mapping[str, str]:
    """Return the SPEC of every sound variant by its name."""
    found: dict[str, str] = {}
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            if ours and (inspect.isclass(value) or inspect.isfunction(value)):
                items = getattr(value, "items", "")
                found[name] = f"{module.__name__}:{name}" + (f"?{items}" if isinstance(items, str) and items else "")
    return found
