"""Source files of targets."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(origin: str) -> str:
    """Return the sha256 of the file in ``file:line``, in hexadecimal; an empty text where there is none."""
    try:
        return hashlib.sha256(Path(origin.rpartition(":")[0]).read_bytes()).hexdigest()
    except OSError:
        return ""
