"""``.safetensors``: eight bytes of length, a JSON header, and the arrays one after the other."""

from __future__ import annotations

import re
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from droppath_audit.recordings import jsontext
from droppath_audit.recordings.dtypes import STORED
from droppath_audit.recordings.limits import LARGEST_HEADER, Unreadable, quoted, require_room

if TYPE_CHECKING:
    from droppath_audit.recordings.dtypes import Arrays

DESCRIPTION = "recording"
TENSOR = re.compile(r"(?:x|y|shortcut|gradient)\.(?:0|[1-9]\d{0,6})")
DTYPE_OF = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def read(file: IO[bytes], size: int) -> tuple[dict[str, Any], Arrays]:
    """Return description and arrays.

    Raises:
        Unreadable: If the file departs from the format.
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or length > size - 8:
        raise Unreadable("it is shorter than its header: empty, cut off, or no .safetensors file")
    if length > LARGEST_HEADER:
        raise Unreadable(f"its header is longer than {LARGEST_HEADER:,} bytes")
    entries = jsontext.parse(file.read(length), "its header")
    metadata = entries.pop("__metadata__", None)
    text = metadata.get(DESCRIPTION) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise Unreadable(f"its __metadata__ has no text {DESCRIPTION!r}, which describes the arrays")
    header = jsontext.parse(text.encode("utf-8", "surrogatepass"), "its description")
    start = 8 + length
    found = {name: _entry(name, entry) for name, entry in entries.items()}
    end = 0
    for first, last, name in sorted((first, last, name) for name, (_, _, first, last) in found.items()):
        if first != end:
            raise Unreadable(f"{name} begins at byte {first:,}, where the array before it ends at {end:,}")
        end = last
    if start + end != size:
        raise Unreadable(f"its arrays end at byte {start + end:,}, the file at {size:,}: cut off, or damaged")
    require_room(end, size)
    arrays = {}
    for name, (dtype, shape, first, last) in found.items():
        file.seek(start + first)
        buffer = np.empty(last - first, np.uint8)
        if file.readinto(buffer.data) != last - first:  # type: ignore[attr-defined]
            raise Unreadable(f"{name} ends before its data does")
        arrays[name] = (dtype, buffer.view(STORED[dtype]).reshape(shape))
    return header, arrays


def _entry(name: str, entry: object) -> tuple[str, tuple[int, ...], int, int]:
    """Return dtype, shape, and where the data begins and ends."""
    if not TENSOR.fullmatch(name):
        raise Unreadable(f"it holds {quoted(name)}, which is no part of a recording")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise Unreadable(f"{name} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_OF:
        raise Unreadable(f"{name} is of dtype {quoted(dtype)}, which is none of {', '.join(DTYPE_OF)}")
    if not _whole(shape) or len(shape) > 32 or not _whole(offsets) or len(offsets) != 2:
        raise Unreadable(f"{name} has a shape or offsets that are no whole numbers")
    wanted = prod(shape) * np.dtype(STORED[DTYPE_OF[dtype]]).itemsize
    if offsets[1] - offsets[0] != wanted:
        raise Unreadable(f"{name} has shape {quoted(tuple(shape))}, which is not what its offsets allow")
    if not wanted:
        raise Unreadable(f"{name} is empty: its shape is {tuple(shape)}")
    return DTYPE_OF[dtype], tuple(shape), offsets[0], offsets[1]


def _whole(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**53 for value in values)
