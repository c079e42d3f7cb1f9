"""The dtypes of a recording, and their bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, tuple[str, npt.NDArray[Any]]]
    """By its name in the file, such as ``x.0``, an array's dtype and what is stored of it."""

STORED = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2"}
"""How NumPy stores each dtype; NumPy has no bfloat16, which travels as its bit patterns."""


def encode(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return float64 values, rounded to ``dtype``, as they are stored."""
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(STORED[dtype])
    wide = round_to(values, dtype).astype("<f4")
    return (wide.view("<u4") >> 16).astype("<u2")


def readable(x: npt.NDArray[Any], shortcut: npt.NDArray[Any] | None, dtype: str) -> npt.NDArray[np.bool_]:
    """Return where a kept x can be told from a dropped one: finite, normal, and not lost in the shortcut.

    Hardware may flush subnormal numbers to zero, so a zero says nothing there. What is kept is at least as large as x,
    up to rounding, so a shortcut that such an x changes is changed by everything kept.
    """
    if dtype == "bfloat16":
        exponent = x & np.uint16(0x7F80)
        visible: npt.NDArray[np.bool_] = (exponent != 0x7F80) & (exponent != 0)
    else:
        visible = np.isfinite(x) & (np.abs(x) >= 2.0 ** FORMATS[dtype].min_exponent)
    if shortcut is None:
        return visible
    smaller = decode(x, dtype) * (1.0 - 2.0 ** (2 - FORMATS[dtype].precision))
    before = decode(shortcut, dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        changed: npt.NDArray[np.bool_] = round_to(before + smaller, dtype) != before
    return np.asarray(visible & np.isfinite(before) & changed)


def decode(stored: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.float64]:
    """Return stored values as float64, exactly."""
    if dtype == "bfloat16":
        stored = (stored.astype("<u4") << 16).view("<f4")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        return stored.astype(np.float64)
