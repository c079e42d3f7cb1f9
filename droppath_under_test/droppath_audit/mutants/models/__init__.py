"""Small networks, each with one fault of a model: the catalogue that the checks of models must reject.

A public function of a file builds one, and takes the largest drop_prob. The line of a fault is marked ``# fault``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


def mutant_models() -> Mapping[str, str]:
    """Return the SPEC of each, by the name of its function."""
    return implementations(__name__)
