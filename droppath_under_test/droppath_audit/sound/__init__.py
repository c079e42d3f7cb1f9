"""Sound implementations of differing style, none of which may be found fault with.

Every public class or function defined in a file of this package is a sound DropPath; its docstring says in which style
it is and where that style is used. Those of another dialect say so in an attribute ``items``, in the SPEC's grammar.
Lesser manners, such as clearing an infinity that is dropped (a SHOULD), are not promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


def sound_variants() -> Mapping[str, str]:
    """Return the SPEC of every sound variant by its name.

    Raises:
        ValueError: If two files define the same name.
    """
    return implementations(__name__)
