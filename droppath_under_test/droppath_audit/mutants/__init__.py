"""Deliberately faulty implementations, each with one realistic fault that a named check must catch.

Every public class or function defined in a file of this package is a mutant; its docstring says what is wrong and
where that was or could be seen. Those of another dialect say so in an attribute ``items``, in the SPEC's grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


def mutants() -> Mapping[str, str]:
    """Return the SPEC of every mutant by its name.

    Raises:
        ValueError: If two files define the same name.
    """
    return implementations(__name__)
