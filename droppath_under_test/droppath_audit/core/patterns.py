"""Patterns: how a command line selects checks and trials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches(pattern: str, names: Iterable[str]) -> bool:
    """Return whether a pattern selects what has these names.

    A pattern is a name (of a trial its id, its check's id or slug: ``DP301``, ``keep-prob-zero``), a family
    (``DP3xx``, ``DP3``), or any of these with ``*`` for any text. Case is ignored.
    """
    text = pattern.lower()
    text = f"{text[:3]}*" if re.fullmatch(r"dp\d(xx)?", text) else text
    expression = re.compile(".*".join(re.escape(part) for part in text.split("*")))
    return any(expression.fullmatch(name.lower()) for name in names)
