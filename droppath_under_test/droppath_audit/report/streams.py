"""Standard output and standard error that raise nothing: a full disk or a closed pipe costs no audit its verdict."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from droppath_audit.core.files import reason
from droppath_audit.report.writing import push

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Outlet(io.FileIO):
    """The lowest layer of a standard stream: takes all it is given, and remembers why it could not pass it on.

    Args:
        descriptor: The open file.
        closed: Whether the process was started without it, and the descriptor leads nowhere.
    """

    def __init__(self, descriptor: int, *, closed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.failure = ""
        self._refusal = os.strerror(errno.EBADF) if closed else ""

    def write(self, data: Any, /) -> int:
        """Write, unless an earlier write failed; return the length of the data in any case."""
        self.failure = self.failure or self._refusal
        if not self.failure:
            try:
                push(self.fileno(), bytes(data))
            except OSError as error:
                self.failure = reason(error)
        return len(data)


@contextmanager
def patient_streams() -> Iterator[None]:
    """Within, nothing that is written to standard output or standard error raises; ``failure`` tells what became of it.

    Nothing is left in a buffer for the end of the interpreter to stumble over.
    """
    before = (sys.stdout, sys.stderr)
    closed = [_open_somewhere(number) for number in (0, 1, 2)]  # else the next file that is opened becomes the stream
    sys.stdout, sys.stderr = _patient(sys.stdout, 1, closed=closed[1]), _patient(sys.stderr, 2, closed=closed[2])
    try:
        yield
    finally:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if failure(stream):
                _lead_nowhere(number)  # also what others still hold back for it
        sys.stdout, sys.stderr = before


def failure(stream: TextIO) -> str:
    """Return why something that was written to a stream did not arrive, or an empty text."""
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, _Outlet) else ""


def _patient(stream: TextIO | None, number: int, *, closed: bool) -> TextIO:
    """Return a stream to the same file that raises nothing; the stream itself where it is none of the process's own."""
    try:
        own = stream is None or stream.fileno() == number
    except (OSError, ValueError):
        own = False
    if not own:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a report is not lost to a narrow encoding
        return cast("TextIO", stream)
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(number, closed=closed)),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=getattr(stream, "line_buffering", False),
    )


def _open_somewhere(number: int) -> bool:
    """Return whether a descriptor was closed, and let it lead nowhere then."""
    try:
        os.fstat(number)
    except OSError:
        _lead_nowhere(number)
        return True
    return False


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
