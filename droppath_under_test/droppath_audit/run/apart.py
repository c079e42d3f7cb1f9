"""A process of ours that runs what the auditor must not run itself, under a warden, with a socket to it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from socket import socketpair
from typing import TYPE_CHECKING, Any

from droppath_audit.core.search_path import library_first
from droppath_audit.run import processes
from droppath_audit.run.crew import END_SECONDS, ONE_THREAD, START
from droppath_audit.run.lines import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Sequence


class Apart:
    """The process.

    Args:
        module: Below this package, whose ``main`` is called with the descriptor of the socket.

    Raises:
        OSError: If no process can be had.

    Attributes:
        path: Where modules are found, for what it is to run: the target is found as in the audit, which looks into the
            working directory last.
    """

    def __init__(self, module: str) -> None:
        self.socket, far = socketpair()
        path = library_first()
        self.path = [*path, ""]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-c", START.format(module), json.dumps(path), str(far.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(far.fileno(),),
                start_new_session=True,
                env={**os.environ, **ONE_THREAD},
            )
        except OSError:
            self.socket.close()
            raise
        finally:
            far.close()
        self._reader = Reader(self.socket.fileno())

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has hung up."""
        return self._reader.ended

    def send(self, **message: Any) -> None:
        """Send a message; one that died gets none, and its hang-up says so."""
        with contextlib.suppress(OSError):
            Writer(self.socket.fileno()).send(**message)

    def available(self) -> Sequence[dict[str, Any]]:
        """Return the messages that have come."""
        return list(self._reader.available())

    def close(self) -> None:
        """End it, with all that it has started."""
        self.socket.close()  # which the warden sees
        processes.await_end(self._process, END_SECONDS)
