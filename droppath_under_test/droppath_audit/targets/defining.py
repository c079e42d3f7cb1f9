"""Definitions that stand in for what a SPEC names: source text, run, with the signature of what it stands for."""

from __future__ import annotations

import inspect
from dataclasses import replace
from inspect import Parameter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.targets.importing import Found


def signed(made: Found, name: str, method: Any, parameters: Sequence[Parameter]) -> Found:
    """Return a class that was made, whose call takes these parameters, and whose body is read as that of ``method``."""
    called = vars(made.obj)[name]
    called.__wrapped__ = method
    called.__signature__ = inspect.Signature(sorted(parameters, key=lambda p: p.kind))
    return made


def built_from(parameters: Sequence[Parameter], made: Found) -> Found:
    """Return what was made, a class, whose constructor says that it takes these parameters."""
    own = Parameter("self", Parameter.POSITIONAL_ONLY)
    made.obj.__init__.__signature__ = inspect.Signature([own, *parameters])
    return made


def defined(found: Found, alias: str, lines: Sequence[str], note: str) -> Found:
    """Return what lines define that know the object under its name."""
    names = {alias: found.obj, "SimpleNamespace": SimpleNamespace}
    exec(compile("\n".join(lines), f"<{alias} as it is called>", "exec"), names)  # noqa: S102 - we wrote it
    made: Any = names[alias]
    if inspect.isclass(made):  # by which a pickle is refused: under its name the module has the class itself
        made.__module__, made.__qualname__ = found.obj.__module__, f"<locals>.{found.obj.__qualname__}"
    text = "\n".join(lines)
    imported = ["from types import SimpleNamespace"] if "SimpleNamespace" in text else []
    # As one: a line that two of them share would stand in a script once.
    return replace(found, obj=made, lines=(*found.lines, *imported, "", "", text, ""), notes=(*found.notes, note))
