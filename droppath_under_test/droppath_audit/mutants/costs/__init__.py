"""Implementations that are right, and cost more than they must: what ``--benchmark`` must find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


def mutants_of_cost() -> Mapping[str, str]:
    """Return the SPEC of every one by its name.

    Raises:
        ValueError: If two files define the same name.
    """
    return implementations(__name__)
