"""From a broken promise to the line of the target's own code that breaks it, by experiment.

The script that shows a finding is run again under observation (``watching``), and what was seen (``story``) is shown to
the kinds of mistake, one file each in ``kinds``, in the order in which the check names them. The first that knows the
line ends the search. A kind looks at what happened, never at which checks have failed.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

from droppath_audit.causes import kinds as _kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from droppath_audit.causes.story import Asked, Found, Story


VAGUE = ("drawing", "meeting_x")
"""Kinds that know a line and no mistake: another kind at the same line says what it is."""


class Kind(Protocol):
    """A kind of mistake: a module of ``kinds``."""

    def find(self, story: Story, asked: Asked) -> Found | None:
        """Return the line at which a mistake of this kind was seen to happen; None where none was."""


@cache
def catalogue() -> Mapping[str, Kind]:
    """Return every kind by its name, which is that of its file."""
    names = sorted(module.name for module in iter_modules(_kinds.__path__) if not module.name.startswith("_"))
    return {name: import_module(f"{_kinds.__name__}.{name}") for name in names}


def explained(story: Story, asked: Asked, names: Iterable[str]) -> tuple[str, Found] | None:
    """Return the first of these kinds that knows the line, with what it has found; None where none does.

    Raises:
        KeyError: If there is no kind of such a name.
    """
    for name in names:
        found = catalogue()[name].find(story, asked)
        if found is not None:
            return name, found
    return None
