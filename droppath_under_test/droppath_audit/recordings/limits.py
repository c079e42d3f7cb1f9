"""What a file may ask for, checked before memory is taken; and the one error that readers raise."""

from __future__ import annotations

from pathlib import Path

LARGEST = 2 * 2**30
"""Bytes of arrays that are read at most, and bytes of a file."""
LARGEST_HEADER = 2**24
"""Bytes of text that describe the arrays; and of one line of JSON lines."""
PLAIN, EXPANSION = 2**26, 200
"""A compressed file may hold this much in any case, and beyond it this many times its own size."""
NAMED = 60  # characters of a file's own words that a message repeats


class Unreadable(Exception):
    """The file is not a recording; the message says where it departs from the format."""


def quoted(text: object) -> str:
    """Return a file's own words for a message: short, and without control characters."""
    shown = repr(text)
    return ascii(text)[:NAMED] + "…" if len(shown) > NAMED else ascii(text) if not shown.isprintable() else shown


def require_room(total: int, file_size: int) -> None:
    """Raise if arrays of ``total`` bytes are more than a recording may hold, than the file can hold, or than fits.

    Raises:
        Unreadable: Then, naming the numbers.
    """
    if total > LARGEST:
        raise Unreadable(
            f"it holds {total:,} bytes of arrays, and {LARGEST:,} are read at most; record less, or in parts"
        )
    if total > max(PLAIN, EXPANSION * file_size):
        raise Unreadable(
            f"it expands from {file_size:,} to {total:,} bytes, more than {EXPANSION} times: record with random masks, "
            "or store without compression"
        )
    available = _available()
    if available is not None and total > available // 2:
        raise Unreadable(f"it holds {total:,} bytes of arrays, and {available:,} bytes of memory are available")


def _available() -> int | None:
    """Return the bytes of memory that a process can still have, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
