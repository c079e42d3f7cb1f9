"""Jobs in processes of their own: one that hangs or crashes costs its own answer and no other.

A server process imports torch and the catalogue once and forks for every job, so that a job costs a fork and not an
import, and nothing that a target leaves behind reaches the next.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from droppath_audit.run.processes import told_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import ForkProcess, ForkServerProcess

Job = TypeVar("Job")
Answer = TypeVar("Answer")

GRACE_SECONDS = 2.0  # in which the alarm of a job that has reached its limit ends it
PRELOADED = "droppath_audit.selftest.preloaded"


@dataclass(frozen=True)
class Lost:
    """There is no answer.

    Attributes:
        reason: Why, in words.
        traceback: Where the job raised, if it did.
    """

    reason: str
    traceback: str = ""


@dataclass(frozen=True)
class _Running(Generic[Job]):
    job: Job
    process: ForkServerProcess | ForkProcess
    answers: Connection
    deadline: float


def answers(
    function: Callable[[Job], Answer], jobs: Iterable[Job], *, workers: int, limit: float, here: bool = False
) -> Iterator[tuple[Job, Answer | Lost]]:
    """Yield every job with its answer, as they come.

    Args:
        function: What makes the answer; importable by name, or a partial of such a function.
        jobs: Taken one by one, when a worker is free; they and the answers can be pickled.
        workers: Processes at a time.
        limit: Seconds of wall time after which a job is ended.
        here: Whether this process is forked, with all that it has loaded, and not a server; it has no threads then, and
            the function need not be importable.

    Yields:
        The job, and its answer or why there is none.
    """
    context = multiprocessing.get_context("fork") if here else multiprocessing.get_context("forkserver")
    if not here:
        context.set_forkserver_preload([PRELOADED])
        with _inherited():
            forkserver.ensure_running()
    waiting, running = iter(jobs), list[_Running[Job]]()
    try:
        while True:
            while len(running) < workers:
                try:
                    job = next(waiting)
                except StopIteration:
                    break
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_serve, args=(sender, function, job, limit))
                process.start()
                sender.close()
                running.append(_Running(job, process, receiver, time.monotonic() + limit + GRACE_SECONDS))
            if not running:
                return
            # The sentinel as well: what a dead process has forked keeps its pipe open.
            left = min(one.deadline for one in running) - time.monotonic()
            ready = set(wait([end for one in running for end in (one.answers, one.process.sentinel)], max(0.0, left)))
            now = time.monotonic()
            for one in [one for one in running if ready & {one.answers, one.process.sentinel} or one.deadline <= now]:
                running.remove(one)
                yield one.job, _take(one, limit)
    finally:
        for one in running:
            _end(one)


def _take(one: _Running[Job], limit: float) -> Any:
    """Return what a finished process answered, and end what it left."""
    try:
        answered, value = one.answers.recv() if one.answers.poll() else (False, None)
    except (EOFError, OSError):
        answered, value = False, None
    if not answered and value is None:
        if one.process.is_alive() and one.deadline <= time.monotonic():
            one.process.kill()  # it has taken the alarm for itself
            one.process.join()
            _end(one)
            return Lost(f"no answer within {limit:.0f} seconds")
        one.process.join()
        code = one.process.exitcode or 0
        value = Lost(f"no answer within {limit:.0f} seconds" if code == -signal.SIGALRM else _describe(code))
    _end(one)
    return value


def _describe(code: int) -> str:
    return told_end(code) + (" before it answered" if code >= 0 else "")


def _end(one: _Running[Job]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid or 0, signal.SIGKILL)
    one.process.kill()  # which may not have its own group yet
    one.process.join()
    one.process.close()
    one.answers.close()


@contextlib.contextmanager
def _inherited() -> Iterator[None]:
    """Let the server find what this process finds, and keep libraries from starting threads for each job."""
    paths = os.pathsep.join(path for path in sys.path if path)
    wanted = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(sender: Connection, function: Callable[[Job], Answer], job: Job, limit: float) -> NoReturn:
    process = os.getpid()
    os.setsid()  # so that everything which the job starts can be ended with it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(limit))  # ends this process even where nobody is left to do so
    with Path(os.devnull).open("r+b", buffering=0) as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    try:
        message: tuple[bool, Any] = (True, function(job))
    except BaseException as error:
        message = (False, Lost(f"raised {type(error).__name__}: {error}", traceback.format_exc()))
    if os.getpid() != process:
        os._exit(0)  # a copy of this process that the target forked
    sender.send(message)
    os._exit(0)  # threads that a target has started do not hold it up
