"""``.jsonl``: the description on the first line, a call on each further one, their number on the last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from droppath_audit.recordings import jsontext
from droppath_audit.recordings.dtypes import STORED, encode
from droppath_audit.recordings.header import BlockHeader, read_block, read_top
from droppath_audit.recordings.limits import LARGEST_HEADER, Unreadable, quoted, require_room

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.recordings.dtypes import Arrays

ROLES = ("x", "y", "shortcut", "gradient")


@dataclass
class _Run:
    """Successive calls that are alike."""

    first: int
    header: BlockHeader
    shape: tuple[int, ...]
    stored: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)


def read(file: IO[bytes], size: int) -> tuple[dict[str, Any], Arrays, list[int]]:
    """Return description, arrays, and the number of the line on which each block begins, from 0 for the first call.

    Raises:
        Unreadable: If the file departs from the format.
    """
    header = jsontext.parse(_line(file, 1), "line 1")
    read_top(header)
    if "blocks" in header:
        raise Unreadable("line 1 has blocks; in JSON lines every call says what it is")
    runs: list[_Run] = []
    position: dict[str, int] = {}
    total = calls = 0
    while True:
        number = calls + 2
        line = _line(file, number)
        if not line:
            raise Unreadable(f'it ends after {calls} calls without its last line, {{"calls": {calls}}}: cut off')
        found = jsontext.parse(line, f"line {number}")
        if set(found) == {"calls"}:
            break
        total += _add(runs, position, found, calls, f"line {number}")
        require_room(total, size)
        calls += 1
    if type(found["calls"]) is not int or found["calls"] != calls:
        raise Unreadable(f"its last line speaks of {quoted(found['calls'])} calls, and it has {calls}")
    if file.read(1):
        raise Unreadable(f"something follows line {number}, which says that it is the last")
    if not runs:
        raise Unreadable("it holds no call")
    header["blocks"] = [_described(run.header) for run in runs]
    arrays = {
        f"{role}.{i}": (run.header.output_dtype if role == "y" else run.header.dtype, np.stack(run.stored.pop(role)))
        for i, run in enumerate(runs)
        for role in tuple(run.stored)
    }
    return header, arrays, [run.first for run in runs]


def _line(file: IO[bytes], number: int) -> bytes:
    line = file.readline(LARGEST_HEADER + 1)
    if len(line) > LARGEST_HEADER:
        raise Unreadable(f"line {number} is longer than {LARGEST_HEADER:,} bytes; record smaller calls, or use .npz")
    return line


def _add(runs: list[_Run], position: dict[str, int], found: dict[str, Any], calls: int, what: str) -> int:
    """Put one call into the last run, or into a new one; return the bytes that its arrays take."""
    header = read_block(found, what, ("shape", *ROLES))
    shape = found.get("shape")
    whole = isinstance(shape, list) and all(type(size) is int and 0 < size < 2**31 for size in shape)
    if not isinstance(shape, list) or not whole or not 0 < len(shape) < 32:
        raise Unreadable(f"{what} has shape {quoted(shape)}, which is no list of sizes, the batch first")
    for role in ("x", "y"):
        if role not in found:
            raise Unreadable(f"{what} has no {role}")
    call = position.get(header.layer, 0) if header.call is None else header.call
    follows = call == position.get(header.layer)
    position[header.layer] = call + 1
    header = replace(header, call=None)
    arrays = {
        role: _values(
            found[role], tuple(shape), header.output_dtype if role == "y" else header.dtype, f"{role} of {what}"
        )
        for role in ROLES
        if role in found
    }
    last = runs[-1] if runs else None
    alike = (
        last is not None
        and follows
        and replace(last.header, call=None) == header
        and last.shape == tuple(shape)
        and set(last.stored) == set(arrays)
    )
    if last is None or not alike:
        last = _Run(calls, replace(header, call=call), tuple(shape), {role: [] for role in arrays})
        runs.append(last)
    for role, array in arrays.items():
        last.stored[role].append(array)
    return sum(array.nbytes for array in arrays.values())


def _values(values: object, shape: tuple[int, ...], dtype: str, what: str) -> npt.NDArray[Any]:
    if not isinstance(values, list) or len(values) != prod(shape):
        number = f"{len(values)} entries" if isinstance(values, list) else quoted(values)
        raise Unreadable(
            f"{what} is no flat list of {prod(shape)} numbers, as shape {list(shape)} asks for, but {number}"
        )
    if not set(map(type, values)) <= {int, float}:
        values = [_number(value, what) for value in values]
    try:
        exact = np.array(values, dtype=np.float64)
    except OverflowError:
        raise Unreadable(f"{what} has a whole number that no floating-point number is near") from None
    stored = encode(exact, dtype)
    infinite = ((stored & np.uint16(0x7FFF)) == 0x7F80) if dtype == "bfloat16" else np.isinf(stored)
    if (infinite & np.isfinite(exact)).any():
        raise Unreadable(f"{what} has a number beyond the largest {dtype}")
    return stored.astype(STORED[dtype], copy=False).reshape(shape)


def _number(value: object, what: str) -> float:
    """Return a number, or what the texts NaN, Infinity, -Infinity and C's %a stand for."""
    if type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    try:
        if isinstance(value, str) and len(value) < 40:
            return float.fromhex(value)
    except (ValueError, OverflowError):
        pass
    raise Unreadable(f"{what} has the entry {quoted(value)}, which is no number")


def _described(header: BlockHeader) -> dict[str, Any]:
    return {name: value for name, value in vars(header).items() if value is not None}
