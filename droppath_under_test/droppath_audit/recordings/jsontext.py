"""JSON from a file that nobody vouches for."""

from __future__ import annotations

import json
from typing import Any

from droppath_audit.recordings.limits import Unreadable, quoted


def parse(data: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Unreadable: If it is not UTF-8, not JSON, nested beyond reason, not an object, or has a key twice.
    """
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise Unreadable(f"{what} is not UTF-8 text") from None
    except RecursionError:
        raise Unreadable(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"{what} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise Unreadable(f"{what} is not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"a JSON object says {quoted(twice)} twice")
    return found
