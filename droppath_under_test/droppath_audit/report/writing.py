"""Where reports go: to files, written whole or not at all, or to standard output.

A file is written beside its place under another name, and takes its place once all of it is on the disk; so whoever
reads it finds the former report or this one, and a full disk leaves the former. What is no regular file (a device, a
pipe) is written to directly.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError
from droppath_audit.core.files import reason
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD_OUTPUT = "-"
# Where the folder takes no other file, or the file is mounted by itself, as into a container.
_NO_OTHER_NAME = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS, errno.EXDEV)
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # a file system that has no such call


class Unwritable(UsageError):
    """A report could not be written; the message says which and why."""


def refuse_unwritable(file: str) -> None:
    """Raise if a report will have nowhere to go; asked before the audit, whose work would be lost.

    Raises:
        UsageError: If its folder does not exist, or it is a folder, cannot be written, or has a name that no file has.
    """
    if file == STANDARD_OUTPUT:
        return
    path, name = Path(file), shortened(file)
    if not path.is_absolute():
        working_directory()
    folder = shortened(str(path.parent))
    try:
        found = _status(path)
        if file.endswith(os.sep) or (found is not None and stat.S_ISDIR(found.st_mode)):
            raise UsageError(f"{name} is a folder; give the name of a file in it.")
        if found is None and not stat.S_ISDIR(path.parent.stat().st_mode):
            raise UsageError(f"{folder} is no folder to write {shortened(path.name)} into.")
        if not os.access(path if found is not None else path.parent, os.W_OK):
            raise UsageError(f"{name} cannot be written: permission denied.")
    except FileNotFoundError:
        raise UsageError(f"There is no folder {folder} to write {shortened(path.name)} into.") from None
    except (OSError, ValueError) as error:  # a name that no system takes
        raise UsageError(f"{name} cannot be written: {reason(error)}.") from None


def write(file: str, content: str | bytes) -> None:
    """Write a whole file, text as UTF-8, or to standard output where it is called ``-``.

    The permissions of a file that exists are kept, and links are followed.

    Raises:
        Unwritable: If that fails; a file that was there is left as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if file == STANDARD_OUTPUT:
            _write_standard_output(data)
            return
        path = Path(file)
        found = _status(path)
        stream = _own_stream(found)
        if stream is not None:
            push(stream, data)
        elif _is_replaceable(path, found):
            _replace(path.resolve(), data, found)  # what a link points to is replaced, not the link
        else:
            _overwrite(path, data)
    except (OSError, ValueError) as error:
        raise Unwritable(f"{shortened(file)} cannot be written: {reason(error)}.") from None


def write_all(files: Mapping[str, str | bytes]) -> None:
    """Write several files, each though another fails.

    Raises:
        Unwritable: If one or more cannot be written.
    """
    failures = []
    for file, content in files.items():
        try:
            write(file, content)
        except Unwritable as error:
            failures.append(error.message)
    if failures:
        raise Unwritable(" ".join(failures))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_replaceable(path: Path, found: os.stat_result | None) -> bool:
    """Return whether another file can take its place: not of a device, nor of what is open under /dev/fd."""
    special = any(path.is_relative_to(folder) for folder in ("/dev", "/proc"))
    return found is None or (stat.S_ISREG(found.st_mode) and not special)


def _own_stream(found: os.stat_result | None) -> int | None:
    """Return the standard stream that a file is, whose position a second opening would not share."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            if found is not None and os.path.samestat(found, os.fstat(stream.fileno())):
                return stream.fileno()
    return None


def _replace(path: Path, data: bytes, found: os.stat_result | None) -> None:
    # Not named after the file, whose own name may be as long as a name can be.
    fresh = path.with_name(f".droppath-audit-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                if found is not None:
                    with suppress(OSError):  # only root gives files away
                        os.fchown(descriptor, found.st_uid, found.st_gid)
                    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
                push(descriptor, data)
                _sync(descriptor)
            finally:
                os.close(descriptor)
            fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
    except OSError as error:
        if found is None or error.errno not in _NO_OTHER_NAME:
            raise
        _overwrite(path, data)


def _overwrite(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        push(descriptor, data)
    finally:
        os.close(descriptor)  # which may fail as well, where the disk is another machine's


def push(descriptor: int, data: bytes) -> None:
    """Write all of the data to an open file, waiting where it takes no more at once.

    Raises:
        OSError: If it takes no more for good.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _write_standard_output(data: bytes) -> None:
    """Write bytes: UTF-8 whatever the terminal's encoding, in which JSON could not be written."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
