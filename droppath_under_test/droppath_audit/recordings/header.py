"""The description that every recording begins with, whatever the format of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CHOICES
from droppath_audit.core.errors import nearest
from droppath_audit.recordings.dtypes import STORED
from droppath_audit.recordings.limits import Unreadable, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME, VERSION = "droppath-recording", 1
TEXTS = ("implementation", "framework", "device", "note")
TOP = ("format", "version", *CHOICES, *TEXTS, "blocks")
BLOCK = ("drop_prob", "training", "dtype", "output_dtype", "layer", "call")
LONGEST_TEXT = 200


@dataclass(frozen=True)
class BlockHeader:
    """What the description says of one block; ``call`` is None where it continues the calls before."""

    drop_prob: float
    training: bool
    dtype: str
    output_dtype: str
    layer: str
    call: int | None


@dataclass(frozen=True)
class Header:
    """The description: declared fields of the dialect, texts for the reader, blocks in order."""

    dialect: dict[str, str]
    texts: dict[str, str]
    blocks: tuple[BlockHeader, ...]


def read_header(data: dict[str, Any]) -> Header:
    """Return the description in a parsed JSON object.

    Raises:
        Unreadable: If it departs from the format.
    """
    dialect, texts = read_top(data)
    blocks = data.get("blocks")
    if not isinstance(blocks, list) or not blocks:
        raise Unreadable("its description has no list of blocks")
    return Header(dialect, texts, tuple(read_block(block, f"block {i}") for i, block in enumerate(blocks)))


def read_top(data: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the declared fields of the dialect and the texts; ``blocks`` is left to the caller."""
    if data.get("format") != NAME:
        raise Unreadable(f'its description does not say "format": "{NAME}"')
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        raise Unreadable(f"it is of version {quoted(version)} of the format, and this reader knows version {VERSION}")
    _known(data, TOP, "the description")
    dialect = {}
    for key, choices in CHOICES.items():
        value = data.get(key, choices[0])
        if value not in choices:
            raise Unreadable(f"{key} is {quoted(value)}, which is none of {', '.join(choices)}")
        if key in data:
            dialect[key] = value
    return dialect, {key: _text(data.get(key, ""), key) for key in TEXTS}


def read_block(block: object, what: str, more: Sequence[str] = ()) -> BlockHeader:
    """Return one block's part; ``more`` are further keys, which the caller reads."""
    if not isinstance(block, dict):
        raise Unreadable(f"{what} is not a JSON object")
    _known(block, (*BLOCK, *more), what)
    for key in ("drop_prob", "training", "dtype"):
        if key not in block:
            raise Unreadable(f"{what} does not say its {key}")
    drop_prob, training = block["drop_prob"], block["training"]
    if type(drop_prob) not in (int, float) or not 0.0 <= drop_prob <= 1.0:
        raise Unreadable(f"{what} has drop_prob {quoted(drop_prob)}, which is no number from 0 to 1")
    if type(training) is not bool:
        raise Unreadable(f"{what} has training {quoted(training)}, which is neither true nor false")
    dtype = block["dtype"]
    dtype, output_dtype = (_dtype(block.get(key, dtype), key, what) for key in ("dtype", "output_dtype"))
    call = block.get("call")
    if "call" in block and (type(call) is not int or not 0 <= call < 2**53):
        raise Unreadable(f"{what} has call {quoted(call)}, which is no whole number from 0 on")
    layer = _text(block.get("layer", ""), f"layer of {what}")
    return BlockHeader(float(drop_prob), training, dtype, output_dtype, layer, call)


def _dtype(value: object, key: str, what: str) -> str:
    if not isinstance(value, str) or value not in STORED:
        raise Unreadable(f"{what} has {key} {quoted(value)}, which is none of {', '.join(STORED)}")
    return value


def _known(data: dict[str, Any], keys: Sequence[str], what: str) -> None:
    for key in data:
        if key not in keys:
            raise Unreadable(f"{what} has the key {quoted(key)}, which is unknown." + nearest(key[:LONGEST_TEXT], keys))


def _text(value: object, what: str) -> str:
    """Return a text that may be printed to a terminal."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not (value.isprintable() or not value):
        raise Unreadable(f"{what} is no plain text of at most {LONGEST_TEXT} characters")
    return value
