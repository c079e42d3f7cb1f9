"""Whether a dictionary was written to, read off the number that CPython gives it at every change.

To compare thousands of entries counts a reference to each, and in a forked process a page of memory is copied for the
first of them on it: that costs several times what the comparison does. The number is read without a reference to
anything. It stands behind the head and the length of a dictionary (PEP 509) up to Python 3.12; elsewhere it is not
found, and everything is compared.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEHIND = object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t)


def version_of(names: Mapping[str, Any]) -> ctypes.c_uint64 | None:
    """Return what holds, in its ``value``, a number that is another after every change; None where there is none.

    Args:
        names: The dictionary, or what ``vars`` returns of a class, which must outlive what is returned.
    """
    if not _KEPT:
        return None
    held = names if type(names) is dict else next(iter(gc.get_referents(names)), None)
    return _number_in(held) if type(held) is dict else None


def _number_in(held: dict[str, Any]) -> ctypes.c_uint64:
    return ctypes.c_uint64.from_address(id(held) + _BEHIND)


def _kept() -> bool:
    """Return whether the number is there: it stays as long as a dictionary does, and changes with each write to it."""
    if sys.implementation.name != "cpython" or sys.version_info >= (3, 13):
        return False
    tried = {"name": object()}
    number = _number_in(tried)
    seen = [number.value, number.value]
    for value in (object(), object()):
        tried["name"] = value
        seen.append(number.value)
    tried["other"] = value
    seen.append(number.value)
    del tried["other"]
    seen.append(number.value)
    return seen[0] == seen[1] and len(set(seen)) == len(seen) - 1


_KEPT = _kept()
