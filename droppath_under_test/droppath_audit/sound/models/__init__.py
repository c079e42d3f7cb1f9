"""Small networks, each sound in a style of its own: what the audit of a whole model must not find fault with.

A public function of a file builds one, and takes the largest drop_prob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.discovery import implementations

if TYPE_CHECKING:
    from collections.abc import Mapping


def sound_models() -> Mapping[str, str]:
    """Return the SPEC of each, by the name of its function."""
    return implementations(__name__)
