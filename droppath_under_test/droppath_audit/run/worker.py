"""The worker: collects evidence on one target, in this process or as the child of a supervisor.

As a child it speaks JSON, a line a message, over what were its standard input and output; whatever the target prints
goes to standard error. Having loaded the target it forks: the child runs trials, the parent waits, reports the child's
death and forks another, so that a replacement costs a fork and not an import. When the supervisor is gone, so is
everything that the worker started.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.effort import COMPILING_SECONDS
from droppath_audit.core.errors import NotApplicable, TargetRaised, TimeRanOut, UsageError
from droppath_audit.core.recording import Recording
from droppath_audit.core.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from typing import NoReturn

    from droppath_audit.core.case import AnyCase
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.capabilities import Compiling
    from droppath_audit.frameworks.target import Target
    from droppath_audit.run.traces import Traces
    from droppath_audit.targets.bound import BoundTarget
    from droppath_audit.targets.loader import Loaded

SPENT = b"s"  # written by a process in which the target left something changed
COMPILES = b"c"  # written by one in which it was the first time that code was compiled
LOOK_SECONDS = 0.02  # between two looks at whether the child or the supervisor has ended


class InProcess:
    """Collects in this process: for objects that cannot be sent to another, and for debugging."""

    def __init__(self, loaded: Loaded) -> None:
        self._target, self._compiled = loaded.target, False
        self.facts = loaded.facts

    def collect(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order."""
        for trial in trials:
            with _one_thread():
                collected = collect_one(self._target, trial, compiled=self._compiled)
            self._compiled = self._compiled or _compiled(self._target)
            yield trial, collected


def collect_one(target: Target | Recording, trial: Trial, *, compiled: bool = False) -> Collected:
    """Run one trial, or look at what was recorded for it.

    Args:
        target: What is audited.
        trial: What is asked.
        compiled: Whether the target's code is known to be compiled, which is given more time.
    """
    started = time.perf_counter()
    collected = _attempt(target, trial, compiled=compiled)
    if not compiled and _compiled(target):
        # Nobody knew: it had neither the time for it nor, where it brought the compiler, a clean slate.
        collected = _attempt(target, trial, compiled=True)
    return replace(collected, seconds=time.perf_counter() - started)


def _attempt(target: Target | Recording, trial: Trial, *, compiled: bool) -> Collected:
    try:
        return _look(target, trial) if isinstance(target, Recording) else _drive(target, trial, compiled=compiled)
    except NotApplicable as error:
        return Collected(not_applicable=str(error))
    except TimeRanOut as error:
        return Collected(inconclusive=str(error))
    except TargetRaised as error:
        return Collected(error=f"raised {error}", traceback=error.traceback)
    except Exception as error:
        return Collected(
            error=f"the output could not be examined: {type(error).__name__}: {error}",
            traceback=traceback.format_exc(),
        )


def _look(recording: Recording, trial: Trial) -> Collected:
    from droppath_audit.checks import catalogue
    from droppath_audit.probes.recorded import RecordedProbe

    check = catalogue()[trial.check]
    if check.recorded is None:
        raise NotApplicable(check.not_recorded)
    return Collected(wire.dump(check.collect(RecordedProbe(recording, trial.case))))


def _drive(target: Target, trial: Trial, *, compiled: bool) -> Collected:
    """Collect with generators seeded from the trial's id, and restore every global state."""
    import numpy as np

    from droppath_audit.checks import catalogue
    from droppath_audit.frameworks.restoring import restored
    from droppath_audit.probes.certifying import chunk_stopping
    from droppath_audit.probes.live import LiveProbe

    check, compiling = catalogue()[trial.check], _compiler(target)
    case = _with_time_to_compile(trial.case) if compiled else trial.case
    rng = np.random.default_rng(np.random.SeedSequence(trial.entropy))
    stopping = check.stopping(trial.case, trial.alpha) if trial.chunk is None else chunk_stopping(trial)
    with restored(target.framework), compiling.compiled_anew() if compiling else nullcontext():
        target.framework.seed(int(rng.integers(2**63)))
        np.random.seed(int(rng.integers(2**32)))
        random.seed(int(rng.integers(2**63)))
        probe = LiveProbe(target, case, rng, stopping)
        collected = Collected(wire.dump(check.collect(probe)))
        # For scripts, which show a fault on the smallest samples that the target takes.
        with suppress(NotApplicable, TargetRaised, TypeError):  # what is returned need not be a tensor (see DP005)
            collected = replace(collected, smallest=probe.features())
        if compiling is not None and compiling.failed():
            return Collected(error="the target is compiled, but nothing of it could be, so other code ran")
    return collected


def _compiler(target: Target | Recording) -> Compiling | None:
    from droppath_audit.frameworks.capabilities import Compiling, has

    return None if isinstance(target, Recording) else has(target.framework, Compiling)


def _compiled(target: Target | Recording) -> bool:
    """Return whether code was compiled in the last trial."""
    compiler = _compiler(target)
    return compiler is not None and compiler.tried()


def _with_time_to_compile(case: AnyCase) -> AnyCase:
    """Return a case with more time, since compiling is no sampling."""
    return replace(case, effort=replace(case.effort, seconds=case.effort.seconds + COMPILING_SECONDS))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute in one thread: small tensors gain nothing from a second, and other work gains a core."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Channel:
    """JSON lines over two file descriptors, read byte by byte so that a fork never shares a buffer."""

    def __init__(self, reader: FileIO, writer: FileIO) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    def over_standard_streams(cls) -> Channel:
        """Take standard input and output for messages; the target gets an empty input and standard error."""
        reader = os.fdopen(os.dup(0), "rb", buffering=0)
        writer = os.fdopen(os.dup(1), "wb", buffering=0)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr  # which keeps nothing back that would be lost with the process
        return cls(reader, writer)

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; the newline before it ends whatever a dying process left unfinished."""
        self._writer.write(b"\n" + json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, None at the end of input."""
        line = self._reader.readline()
        return json.loads(line) if line else None

    def ends_within(self, seconds: float | None, *wakers: int) -> bool:
        """Wait, for ever where ``seconds`` is None, and return whether the other side has hung up.

        Args:
            seconds: How long.
            *wakers: Read ends of pipes; what comes from one, its end included, ends the waiting.
        """
        poll = select.poll()
        poll.register(self._reader, 0)  # no events but a hang-up
        for waker in wakers:
            poll.register(waker, select.POLLIN)
        found = poll.poll(None if seconds is None else 1000 * seconds)
        return any(descriptor == self._reader.fileno() for descriptor, _ in found)


def main() -> None:
    """Serve a supervisor: load the target it names, then run its trials."""
    channel = Channel.over_standard_streams()
    faulthandler.enable()
    request = channel.receive()
    if request is None:
        return
    loaded = _load(channel, request)
    if loaded is None:
        return
    if _can_fork(loaded.target):
        _serve_in_children(channel, loaded.target)
    threading.Thread(target=_end_with_supervisor, args=(channel,), daemon=True).start()
    _serve(channel, loaded.target)


def _serve_in_children(channel: Channel, target: BoundTarget | Recording) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a target that ignores it would leave nothing to wait for
    traces = None if isinstance(target, Recording) else _traces_of(target)
    compiled = False
    while True:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                os.write(writer, _serve(channel, target, traces, compiled=compiled))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(writer)
        ended, status = 0, 0
        while not ended:
            if channel.ends_within(LOOK_SECONDS, reader):
                _end_everything()
            ended, status = os.waitpid(child, os.WNOHANG)
        why = b""
        os.set_blocking(reader, False)  # something that the target started may still hold the other end
        with suppress(BlockingIOError):
            why = os.read(reader, 1)
        os.close(reader)
        compiler = _compiler(target)
        if why == COMPILES and compiler is not None:
            channel.send({"compiles": True})  # the next trial waits for this
            compiler.prepare()
            compiled = True
        if not why:
            channel.send({"died": _describe_death(status)})


def _traces_of(target: BoundTarget) -> Traces:
    from droppath_audit.frameworks import adapters
    from droppath_audit.run.traces import Traces

    return Traces(target.obj, {package for adapter in adapters() for package in adapter.packages})


def _end_with_supervisor(channel: Channel) -> None:
    channel.ends_within(None)
    _end_everything()


def _end_everything() -> NoReturn:
    """End this process with all that it and the target started."""
    os.killpg(0, signal.SIGKILL)
    raise AssertionError("a process does not outlive SIGKILL")


def _load(channel: Channel, request: dict[str, Any]) -> Loaded | None:
    from droppath_audit.targets.loader import load

    loaded, process = None, os.getpid()
    try:
        loaded = load(request["spec"], devices=tuple(request["devices"]), imports=tuple(request["imports"]))
        answer: dict[str, Any] = {"loaded": wire.dump(loaded.facts)}
    except UsageError as error:
        answer = {"refused": error.message, "detail": error.detail}
    if os.getpid() != process:
        os._exit(0)  # a copy of the worker that the target forked while it was imported
    channel.send(answer)
    # Imported here, before the fork, so that no child pays for it.
    from droppath_audit.checks import catalogue

    catalogue()
    return loaded


def _can_fork(target: BoundTarget | Recording) -> bool:
    """Return whether children of this process would work: no other threads, and nothing that a fork leaves behind."""
    alone = hasattr(os, "fork") and threading.active_count() == 1
    return alone and (isinstance(target, Recording) or _survives(target.framework))


def _survives(framework: Framework) -> bool:
    from droppath_audit.frameworks.capabilities import Forking, has

    forking = has(framework, Forking)
    return forking is not None and forking.can_fork()


def _serve(
    channel: Channel, target: Target | Recording, traces: Traces | None = None, *, compiled: bool = False
) -> bytes:
    """Run trials until the supervisor hangs up, or the target has left something changed in this process.

    Args:
        channel: To the supervisor.
        target: What is audited.
        traces: What shows that another process has to go on; None where there can be no other.
        compiled: Whether the target's code is known to be compiled.

    Returns:
        Why another process has to go on, in which no trial ran: a trial has the verdict that it has alone.
    """
    process, compiler = os.getpid(), _compiler(target)
    channel.send({"ready": process})
    if compiler is not None and not compiler.compiler_loaded:
        compiler.when_imported(lambda: channel.send({"compiles": True}))
    while (message := channel.receive()) is not None:
        trial = wire.load(Trial, message["trial"])
        may_compile = compiler is not None and compiler.compiler_loaded
        channel.send({"started": trial.id} | ({"compiles": True} if may_compile else {}))
        try:
            with _one_thread():
                collected = collect_one(target, trial, compiled=compiled)
        except KeyboardInterrupt:  # nobody's: this process is in a session of its own
            collected = Collected(error="raised KeyboardInterrupt", traceback=traceback.format_exc())
        if os.getpid() != process:
            os._exit(0)  # a copy of the worker that the target forked
        # Before the answer, which may bring the next trial.
        spent = traces is not None and traces.changed()
        channel.send({"collected": wire.dump(collected)})
        if not compiled and _compiled(target):
            if traces is not None:
                return COMPILES
            compiled = True
        if spent:
            return SPENT
    return b""


def _describe_death(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"the process was killed by {name}"
    return f"the process ended with exit status {os.WEXITSTATUS(status)}"
