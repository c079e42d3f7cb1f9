"""What the suite asks of many; ``tox -e selftest`` asks the rest as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.mutants import mutants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any


def in_part(everyone: Iterable[str], asked: Collection[str]) -> list[Any]:
    """Return parameters of a test, of which those that are not asked are marked as the rest."""
    return [one if one in asked else pytest.param(one, marks=pytest.mark.selftest) for one in everyone]


def one_mutant_a_check() -> list[Any]:
    """Return all mutants, of which the suite asks those that a check names first."""
    return in_part(mutants(), {check.mutants[0] for check in catalogue().values() if check.mutants})
