"""The crew: a server that has loaded a target, and the workers that it forks; their sockets, files and ends.

It knows processes and messages, and nothing of trials: what runs where, and what an answer means, is the supervisor's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from socket import socketpair
from typing import IO, TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.core.search_path import library_first
from droppath_audit.run import processes
from droppath_audit.run.lines import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

END_SECONDS = 10.0  # in which the warden has ended everything
LAST_WORDS = 4000  # characters of a dead process's standard error that are kept; a traceback of ours takes 2000
MOST_WORDS = 2**26  # bytes of standard error, beyond which what was said before is forgotten
MARK = "DROPPATH_AUDIT_CREW"  # in the environment of everything that a crew starts

# Folders that hold a json.py or a re.py stand behind the standard library. The first entry is the working directory.
START = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; "
    "import json; sys.path[:] = json.loads(sys.argv[1]); "
    "from droppath_audit.{} import main; main(int(sys.argv[2]))"
)
# Threads that wait for each other across workers cost more than they bring; what a worker runs is small.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}\b")


@dataclass
class Worker:
    """A place for a process that runs trials.

    Attributes:
        number: Which place.
        near: The socket to the process.
        far: The process's end of it, held for those that come later.
        reader: Of its messages.
        words: What it prints; None where that is shown.
        process: Its process number; 0 while it is not known.
        stands: Whether there is a process, or one was asked for.
        fresh: Whether no trial was sent to it.
        expected: Processes that were asked for and are not there yet.
        compiles: Whether its process was forked when the server had done what the compiler does once.
    """

    number: int
    near: socket
    far: socket
    reader: Reader
    words: IO[bytes] | None
    process: int = 0
    stands: bool = False
    fresh: bool = True
    expected: int = 0
    compiles: bool = False
    words_before: int = 0  # bytes of standard error that are older than the trial in hand

    def send(self, **message: Any) -> None:
        """Send a message; where nobody reads it any more, its end is told elsewhere."""
        with contextlib.suppress(OSError):
            Writer(self.near.fileno()).send(**message)

    def mark_words(self) -> None:
        """Note that what is printed from here on belongs to another trial."""
        self.words_before = 0 if self.words is None else os.fstat(self.words.fileno()).st_size

    def last_words(self) -> str:
        """Return the end of what was written to standard error since then, without what differs from run to run."""
        if self.words is None:
            return ""
        file = self.words.fileno()
        start = max(self.words_before, os.fstat(file).st_size - LAST_WORDS)
        # Not by seeking: the worker writes at the same position of the same file.
        said = os.pread(file, LAST_WORDS, start).decode(errors="replace")
        return _ADDRESS.sub("0x…", said)

    def forget_words(self) -> None:
        """Empty the file of a process that says more than anybody reads."""
        if self.words is not None and os.fstat(self.words.fileno()).st_size > MOST_WORDS:
            os.ftruncate(self.words.fileno(), 0)
            self.words_before = 0

    def close(self) -> None:
        """Close what the supervisor holds of it."""
        self.near.close()
        self.far.close()
        if self.words is not None:
            self.words.close()


class Crew:
    """Starts the processes for one target. A server's words are those of the first worker.

    Args:
        request: What the server is to load (``run.worker``).
        size: How many workers.
        verbose: Let what they print go to this process's standard error.

    Attributes:
        workers: The places; more than one only if the server can fork.
        forks: Whether it can; known when the target is loaded.
    """

    def __init__(self, request: dict[str, Any], size: int, *, verbose: bool) -> None:
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        self._socket, far = socketpair()
        self._reader = Reader(self._socket.fileno())
        self.workers = [_worker(number, verbose=verbose) for number in range(size)]
        self.forks = False
        self._preloaded: set[str] = set()
        self._compiles = False
        slots = [(one.far.fileno(), -1 if one.words is None else one.words.fileno()) for one in self.workers]
        kept = {far.fileno(), *(descriptor for slot in slots for descriptor in slot if descriptor >= 0)}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-c", START.format("run.worker"), json.dumps(library_first()), str(far.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=None if verbose else subprocess.DEVNULL,
                stderr=None if verbose else self.workers[0].words,
                pass_fds=tuple(kept),
                start_new_session=True,
                env={**os.environ, **ONE_THREAD, MARK: self._mark.partition("=")[2]},
            )
        except OSError as error:
            self._close_files()
            raise UsageError(f"No process could be started to run the target: {error.strerror or error}.") from error
        finally:
            far.close()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        for worker in self.workers:
            self._selector.register(worker.near, selectors.EVENT_READ, worker)
        self._send(**request, load=True, slots=slots)

    @property
    def process(self) -> int:
        """The process at whose feet all others lie."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether the server has ended."""
        return self._reader.ended

    def messages(self, seconds: float) -> Iterator[tuple[Worker | None, dict[str, Any]]]:
        """Wait, at most so long, and yield what came, with the worker it came from; None is the server."""
        for key, _ in self._selector.select(seconds):
            worker: Worker | None = key.data
            reader = self._reader if worker is None else worker.reader
            for message in reader.available():
                place = message.get("slot") if worker is None and "ended" in message else None
                if isinstance(place, int) and 0 <= place < len(self.workers):
                    # What a process said last, it said before it ended, however late it is heard.
                    yield from ((self.workers[place], last) for last in self.workers[place].reader.available())
                yield worker, message
            if reader.ended:
                self._selector.unregister(key.fileobj)

    def fork(self, worker: Worker) -> None:
        """Ask for a process at a place; the one that stands there is forgotten, and ends by itself or was ended."""
        worker.process, worker.stands, worker.fresh, worker.compiles = 0, True, True, self._compiles
        worker.expected += 1
        self._send(fork=worker.number)

    def forked(self, worker: Worker, process: int) -> None:
        """Take word of a process that was asked for; one that was given up meanwhile is ended."""
        worker.expected -= 1
        if worker.expected or not worker.stands:
            processes.kill_tree(process)
        else:
            worker.process = process

    def end(self, worker: Worker) -> None:
        """End the process at a place, with all that it has started."""
        if worker.process:
            processes.kill_tree(worker.process)
        worker.process, worker.stands = 0, False

    def prepare_compiler(self) -> None:
        """Let the server do what the compiler does once, for all that it forks from here on."""
        self._compiles = True
        self._send(prepare=True)

    def preload(self, modules: object) -> None:
        """Let the server import modules of frameworks that a worker imported, so that the next need not."""
        if isinstance(modules, list):
            new = [name for name in modules if isinstance(name, str) and name not in self._preloaded]
            self._preloaded.update(new)
            if new:
                self._send(**{"import": new})

    def words_of_server(self) -> str:
        """Return the end of what the server wrote to standard error."""
        return self.workers[0].last_words()

    def close(self) -> None:
        """End every process that was started, and all that those have started."""
        self._selector.close()
        self._socket.close()  # which the warden sees
        processes.await_end(self._process, END_SECONDS)
        if self._process.returncode:  # somebody ended the warden
            self._sweep()
        self._close_files()

    def _sweep(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while (left := processes.marked(self._mark)) and time.monotonic() < deadline:
            processes.kill(*left)
            time.sleep(0.01)

    def _close_files(self) -> None:
        for worker in self.workers:
            worker.close()

    def _send(self, **message: Any) -> None:
        with contextlib.suppress(OSError):  # it died; its hang-up says so
            Writer(self._socket.fileno()).send(**message)


def _worker(number: int, *, verbose: bool) -> Worker:
    near, far = socketpair()
    words = None if verbose else tempfile.TemporaryFile()  # noqa: SIM115 - lives with the worker
    if words is not None:
        # Appended to: a file that is emptied is then written from its beginning, and no hole is left.
        fcntl.fcntl(words, fcntl.F_SETFL, fcntl.fcntl(words, fcntl.F_GETFL) | os.O_APPEND)
    return Worker(number, near, far, Reader(near.fileno()), words)
