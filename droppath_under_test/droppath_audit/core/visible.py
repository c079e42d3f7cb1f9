"""Text that others wrote, made safe to show: a terminal obeys control characters, and a reader is misled by some."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

# Control characters but line feed and tab; what turns the direction of writing (UAX 9) or ends a line unseen; halves of
# surrogate pairs, which no encoding can write.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
LONGEST = 160  # characters of a name that a message quotes


def visible(text: str) -> str:
    r"""Return the text with what a terminal would obey, or a reader would not see, as its escape, such as ``\x1b``."""
    return _HIDDEN.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def visible_texts(value: T) -> T:
    """Return plain data, or dataclasses, with every text in it made visible; keys of dictionaries are left alone."""
    return _mapped(value)  # type: ignore[no-any-return]


def shortened(name: str) -> str:
    """Return a name that a message can quote: of one that is too long the beginning and the end."""
    if len(name) <= LONGEST:
        return name
    half = LONGEST // 2
    return f"{name[:half]}…{name[-half:]}"


def clipped(text: str, most: int) -> str:
    """Return a text made visible, of which no more than the first so many characters are shown."""
    return visible(text) if len(text) <= most else f"{visible(text[: most - 1])}…"


def _mapped(value: Any) -> Any:
    if type(value) is str:  # an enumeration of texts is ours
        return visible(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(item) for item in value)
    if isinstance(value, dict):
        return {key: _mapped(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        after = {name: _mapped(item) for name, item in before.items()}
        return replace(value, **{name: item for name, item in after.items() if item != before[name]})
    return value
