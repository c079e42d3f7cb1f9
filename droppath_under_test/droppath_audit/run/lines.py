"""Messages between processes: JSON, a line a message, over a socket."""

from __future__ import annotations

import json
import os
import select
from contextlib import suppress
from typing import Any

LONGEST = 2**24  # bytes of a message: more is no message of ours
PIECE = 2**16
_write, _read = os.write, os.read  # as they were before anybody replaced them


class Writer:
    """Writes messages to a descriptor, and waits until they are written.

    Args:
        descriptor: Of a socket or a pipe; stays the caller's to close.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, **message: Any) -> None:
        """Write one message; the newline before it ends whatever somebody else left unfinished.

        Raises:
            OSError: If nobody reads, or the descriptor is closed.
        """
        left = b"\n" + json.dumps(message).encode() + b"\n"
        while left:
            left = left[_write(self._descriptor, left) :]


class Reader:
    """Reads messages from a descriptor; what is no message is passed over.

    Args:
        descriptor: Of a socket or a pipe; stays the caller's to close.

    Attributes:
        ended: Whether the other side has hung up, or sent more than a message can be.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._unfinished, self.ended = descriptor, bytearray(), False
        self._found: list[dict[str, Any]] = []
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def available(self) -> list[dict[str, Any]]:
        """Return all messages that have come, without waiting for more."""
        for _ in range(LONGEST // PIECE):  # whoever floods is not waited for
            if self.ended or not self._poll.poll(0):
                break
            self._read()
        found, self._found = self._found, []
        return found

    def next(self) -> dict[str, Any] | None:
        """Return the next message, None at the end; blocks."""
        while not self._found and not self.ended:
            self._read()
        return self._found.pop(0) if self._found else None

    def _read(self) -> None:
        try:
            piece = _read(self._descriptor, PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        first, *others = piece.split(b"\n")
        self._unfinished += first
        for line in [bytes(self._unfinished), *others[:-1]] if others else []:
            # Not only bad JSON: the target may write here, numbers of a million digits and nests of brackets too.
            with suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._found.append(message)
        if others:
            self._unfinished = bytearray(others[-1])
        self.ended = self.ended or not piece or len(self._unfinished) > LONGEST
