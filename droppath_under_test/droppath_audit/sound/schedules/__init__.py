"""Sound schedules of differing style, none of which may be found fault with."""

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
