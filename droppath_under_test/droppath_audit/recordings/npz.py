"""``.npz``: a zip archive of ``.npy`` files. Nothing in it is evaluated and no pickle is ever opened."""

from __future__ import annotations

import re
import struct
import zipfile
from math import prod
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from droppath_audit.recordings import jsontext
from droppath_audit.recordings.dtypes import STORED
from droppath_audit.recordings.limits import LARGEST_HEADER, Unreadable, quoted, require_room

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.recordings.dtypes import Arrays

DESCRIPTION = "recording"
MEMBER = re.compile(rf"({DESCRIPTION}|(?:x|y|shortcut|gradient)\.(?:0|[1-9]\d{{0,6}}))\.npy")
DTYPE_OF = {stored: dtype for dtype, stored in STORED.items()}
END = struct.Struct("<4s4H2LH")  # end of central directory
CHUNK = 2**20
LONGEST_NPY_HEADER = 10_000


def read(file: IO[bytes], size: int) -> tuple[dict[str, Any], Arrays]:
    """Return description and arrays.

    Raises:
        Unreadable: If the archive departs from the format.
    """
    _require_plain_archive(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, size)
            description = members.pop(DESCRIPTION, None)
            if description is None:
                raise Unreadable(f"it has no array {DESCRIPTION!r}, which describes the others")
            if description.file_size > 4 * LARGEST_HEADER:
                raise Unreadable(f"its description is longer than {LARGEST_HEADER:,} bytes")
            header = jsontext.parse(_text(archive, description), "its description")
            return header, {name: _array(archive, member, name) for name, member in members.items()}
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise Unreadable(f"the archive is damaged ({error})") from None


def _require_plain_archive(file: IO[bytes], size: int) -> None:
    """Raise unless the archive ends as one of less than 2 GiB does, so that its directory is as long as it says.

    The directory of a larger one, or a directory made of millions of entries, would take memory before anything in it
    could be looked at.
    """
    if size < END.size:
        raise Unreadable("it is too short for an .npz file: empty, or cut off")
    file.seek(size - END.size)
    signature, disk, first_disk, _, entries, length, start, comment = END.unpack(file.read(END.size))
    if signature != b"PK\5\6":
        raise Unreadable("it does not end as a zip archive does: cut off, or no .npz file")
    if disk or first_disk or comment or 0xFFFFFFFF in (length, start) or entries == 0xFFFF:
        raise Unreadable("it is a zip archive of a kind that no .npz file is (several disks, a comment, or zip64)")
    if start + length + END.size != size:
        raise Unreadable("its zip directory is not where the archive says: damaged")
    if length > LARGEST_HEADER:
        raise Unreadable(f"its zip directory is longer than {LARGEST_HEADER:,} bytes")
    file.seek(0)


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        match = MEMBER.fullmatch(member.filename)
        if match is None:
            raise Unreadable(f"it holds {quoted(member.filename)}, which is no part of a recording")
        if match[1] in found:
            raise Unreadable(f"it holds {match[1]} twice")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(f"{match[1]} is encrypted, or compressed otherwise than by deflate")
        found[match[1]] = member
    require_room(sum(member.file_size for member in found.values()), size)
    return found


def _npy_header(stream: IO[bytes], name: str) -> tuple[str, bool, tuple[int, ...], int]:
    """Return dtype, order, shape and the header's own length.

    Read with expressions rather than evaluated, as NumPy does: evaluating needs care, and reports faults as warnings.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or tuple(start[6:]) not in ((1, 0), (2, 0)):
        raise Unreadable(f"{name} is not an .npy file of version 1 or 2")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > LONGEST_NPY_HEADER:
        raise Unreadable(f"{name} has an .npy header of {length:,} bytes")
    text = stream.read(length).decode("latin-1")
    descr = re.search(r"'descr': *'([^']{1,40})' *[,}]", text)
    order = re.search(r"'fortran_order': *(True|False) *[,}]", text)
    shape = re.search(r"'shape': *\(([\d, ]{0,500})\) *[,}]", text)  # one quantifier: nothing to backtrack over
    parts = [part.strip() for part in shape[1].split(",")] if shape is not None else []
    sizes = tuple(int(part) for part in parts if part.isdecimal() and len(part) < 20)
    # A comma may follow the last size, and must follow a single one; () has no part but an empty one.
    plain = len(sizes) == len(parts) - (not parts or not parts[-1]) and len(sizes) < 33
    if len(text) != length or descr is None or order is None or shape is None or not plain:
        raise Unreadable(f"{name} has an .npy header that names no plain dtype, order and shape")
    return descr[1], order[1] == "True", sizes, 8 + width + length


def _fill(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> tuple[str, tuple[int, ...], Any]:
    """Return dtype as NumPy writes it, shape and bytes of one member; its size was checked with all the others."""
    with archive.open(member) as stream:
        descr, fortran, shape, used = _npy_header(stream, name)
        kind, itemsize = descr[:2], descr[2:]
        if "O" in kind:
            raise Unreadable(f"{name} holds Python objects (a pickle), which are never loaded")
        if kind[0] == ">":
            raise Unreadable(f"{name} is big-endian; write it little-endian")
        unit = 4 if kind == "<U" else 1
        wanted = prod(shape) * unit * int(itemsize) if itemsize.isascii() and itemsize.isdecimal() else -1
        if used + wanted != member.file_size:
            raise Unreadable(f"{name} says {quoted(descr)} of shape {shape}, which is not what its length allows")
        if not wanted:
            raise Unreadable(f"{name} is empty: its shape is {shape}")
        buffer = np.empty(wanted, np.uint8)
        view, filled = buffer.data, 0
        while filled < wanted:
            number = stream.readinto(view[filled : filled + CHUNK])  # type: ignore[attr-defined]
            if not number:
                raise Unreadable(f"{name} ends before its data does")
            filled += number
        if stream.read(1):
            raise Unreadable(f"{name} is longer than it says")
    if fortran and len(shape) > 1:
        if descr not in DTYPE_OF:
            raise Unreadable(f"{name} is in Fortran order")
        items = buffer.view(descr).reshape(shape[::-1]).transpose()
        return descr, shape, np.ascontiguousarray(items).reshape(-1).view(np.uint8)
    return descr, shape, buffer


def _text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    descr, shape, buffer = _fill(archive, member, DESCRIPTION)
    if descr == "|u1" and len(shape) == 1:
        text = bytes(buffer)
    elif descr.startswith("<U") and shape == ():
        try:
            text = bytes(buffer).decode("utf-32-le").rstrip("\0").encode()
        except UnicodeError:
            raise Unreadable("its description is not Unicode text") from None
    else:
        raise Unreadable("its description is neither a text nor a vector of UTF-8 bytes (uint8)")
    return text


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> tuple[str, npt.NDArray[Any]]:
    descr, shape, buffer = _fill(archive, member, name)
    if descr not in DTYPE_OF:
        raise Unreadable(f"{name} is of dtype {quoted(descr)}, which is none of {', '.join(DTYPE_OF)} (bfloat16)")
    return DTYPE_OF[descr], buffer.view(descr).reshape(shape)
