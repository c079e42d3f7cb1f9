"""Implementations that are right as they are written, and faulty where they are compiled, captured or scripted.

Each names the variants in which it is faulty in an attribute ``variants``, as ``--variants`` takes them.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def mutants_of_variants() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return the SPEC of every one by its name, with the variants in which it is faulty.

    Raises:
        ValueError: If two files define the same name.
    """
    found = implementations(__name__)
    return {name: (spec, _variants_of(spec)) for name, spec in found.items()}


def _variants_of(spec: str) -> tuple[str, ...]:
    module, _, name = spec.partition("?")[0].partition(":")
    found: tuple[str, ...] = getattr(import_module(module), name).variants
    return found
