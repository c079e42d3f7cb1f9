"""Quantities as texts: times and amounts of memory, as options name them."""

from __future__ import annotations

import re

from droppath_audit.core.errors import UsageError

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
BYTES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def duration(text: str) -> float | None:
    """Return the seconds of ``30s``, ``5m``, ``2h`` or ``1h30m``; None where it is nothing of the kind."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def seconds(text: str, option: str) -> float:
    """Return the seconds of ``30s``, ``5m``, ``2h``, ``1h30m``, or of a number alone.

    Raises:
        UsageError: If it is nothing of the kind, or not more than 0; it names the option.
    """
    total = duration(f"{text}s" if re.fullmatch(r"\d+(\.\d+)?", text) else text)
    if total is None or not 0.0 < total < float("inf"):
        raise UsageError(f"{option} is a time above 0 with s, m or h, such as 30s, 5m or 2h, not {text!r}.")
    return total


def size(text: str, option: str) -> int:
    """Return the bytes of ``4GiB``, ``4G``, ``512M`` (powers of 1024), or of a number alone, which counts GiB.

    Raises:
        UsageError: If it is nothing of the kind, or not more than 0; it names the option.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?", text, re.IGNORECASE)
    total = 0 if found is None else int(float(found[1]) * BYTES[(found[2] or "G").upper()])
    if not 0 < total < 2**60:
        raise UsageError(f"{option} is an amount of memory such as 4GiB or 512MiB, not {text!r}.")
    return total


def told(size: int) -> str:
    """Return an amount of memory in words, such as ``4 GiB`` or ``512 MiB``."""
    unit = next((unit for unit in "GM" if size >= BYTES[unit]), "K")
    return f"{size / BYTES[unit]:g} {unit}iB"


def told_seconds(seconds: float) -> str:
    """Return a short time in words, such as ``0.62 ms``."""
    return f"{1e3 * seconds:.3g} ms"
