"""What a call may return in the place of a tensor."""

from __future__ import annotations

from typing import Any

NUMBER = "<number>"  # which is no index and no key that output= can name
"""What calls have shown, and no SPEC says: a number may come back, which is taken for a tensor full of it."""


def is_number(output: Any) -> bool:
    """Return whether a number came back in the place of a tensor."""
    return isinstance(output, (int, float)) and not isinstance(output, bool)
