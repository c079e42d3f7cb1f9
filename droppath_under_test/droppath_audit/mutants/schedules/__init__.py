"""Deliberately faulty schedules, each with one realistic fault that DP908 must catch."""

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
