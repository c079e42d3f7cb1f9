"""Lines of source, quoted with those around them."""

from __future__ import annotations

import linecache
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.core.cause import Place

AROUND = 2  # lines before and after


def around(file: str, line: int) -> tuple[tuple[int, str], ...]:
    """Return number and text of a line and of those around it, as far as the file has them."""
    text = linecache.getlines(file)
    return tuple((n, text[n - 1].rstrip()) for n in range(line - AROUND, line + AROUND + 1) if 0 < n <= len(text))


def with_text(place: Place) -> Place:
    """Return a place with its text and the lines around it."""
    lines = around(place.file, place.line)
    return replace(place, text=next((text.strip() for n, text in lines if n == place.line), ""), around=lines)
