"""Sound implementations of differing style, none of which may be found fault with.

Every public class or function defined in a file of this package is a sound DropPath; its docstring says in which style
it is and where that style is used. Those of another dialect say so in an attribute ``items``, in the SPEC's grammar.
Lesser manners, such as clearing an infinity that is dropped (a SHOULD), are not promised.
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
    """Return the SPEC of every sound variant by its name.

    Raises:
        ValueError: If two files define the same name.
    """
    found: dict[str, str] = {}
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            if not ours or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if name in found:
                raise ValueError(f"{module.__name__} defines {name}, which another file defines already")
            items = getattr(value, "items", "")
            found[name] = f"{module.__name__}:{name}" + (f"?{items}" if isinstance(items, str) and items else "")
    return found
