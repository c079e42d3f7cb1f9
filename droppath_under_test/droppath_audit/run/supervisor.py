"""The supervisor: runs trials in a worker process, replaces a worker that dies or hangs, and never loses the rest.

The parent process imports neither the target nor its framework.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from math import prod
from typing import IO, TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.effort import COMPILING_SECONDS
from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.trial import Trial

LOAD_SECONDS = 300.0
GRACE_SECONDS = 10.0  # beyond what a trial may sample
SECONDS_PER_NUMBER = 2e-6  # of a recording: tens of times what looking at one takes
SAME_DEATHS, SAME_TIMEOUTS = 3, 2  # that share a dtype or a drop_prob: the rest of those trials are not run
ALL_TIMEOUTS = 4  # of one target: nothing more is run
LAST_WORDS = 4000  # characters of a dead worker's standard error that are kept; a traceback of ours takes 2000

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from droppath_audit.run.worker import main; main()"


def limit(trial: Trial) -> float:
    """Return the seconds after which a trial counts as hanging."""
    seconds = trial.case.effort.seconds
    if trial.case.blocks:
        return GRACE_SECONDS + SECONDS_PER_NUMBER * sum(block.calls * prod(block.shape) for block in trial.case.blocks)
    if trial.design is None and trial.case.effort.name != "thorough":
        return GRACE_SECONDS
    return seconds + GRACE_SECONDS


class Supervisor:
    """Collects in a worker process; see ``core.collected.Collector``. A context manager.

    Args:
        spec: The SPEC.
        devices: Devices asked for.
        imports: Modules to import before the target.
        verbose: Let the worker write to this process's standard error.
    """

    def __init__(
        self,
        spec: str,
        *,
        devices: tuple[str, ...] = ("cpu",),
        imports: tuple[str, ...] = (),
        verbose: bool = False,
    ) -> None:
        self._request = {"spec": spec, "devices": list(devices), "imports": list(imports)}
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._words: IO[bytes] | None = None
        self._words_before = 0  # bytes of standard error that are older than the trial in hand
        self._child = 0
        self._facts: Facts | None = None
        self._refused: UsageError | None = None  # why the target could not be loaded
        self._lost = ""  # why no further worker can be had
        self._blame = Blame()
        self._start()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def facts(self) -> Facts:
        """What the worker learned of the target; waits for it.

        Raises:
            UsageError: If the target cannot be loaded; at once, and without another try, when it is asked for again.
        """
        if self._refused is not None:
            raise self._refused
        if self._facts is None:
            try:
                self._facts = self._await_loaded()
            except UsageError as error:
                self._refused = error
                raise
        return self._facts

    def collect(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order; the worker is busy with the next one meanwhile."""
        assert self.facts is not None  # noqa: S101 - waits until the target is loaded
        waiting = list(trials)
        running = self._submit(waiting)
        while running is not None:
            trial, prepared = running
            collected = prepared or self._receive(trial)
            running = self._submit(waiting)
            yield trial, collected

    def close(self) -> None:
        """End the worker and everything it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._child:  # which may have left the group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._child, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None  # noqa: S101 - a pipe; the other one is its listener's to close
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process, self._child = None, 0
        if self._words is not None:
            self._words.close()

    def _start(self) -> None:
        self._words = None if self._verbose else tempfile.TemporaryFile()  # noqa: SIM115 - lives with the worker
        self._words_before = 0
        self._messages = queue.SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,
        )
        self._send(self._request)
        threading.Thread(target=self._listen, args=(self._process.stdout, self._messages), daemon=True).start()

    @staticmethod
    def _listen(stream: IO[bytes], messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
        with stream:
            for line in stream:
                with contextlib.suppress(ValueError):  # what a dying process left unfinished
                    if line.strip():
                        messages.put(json.loads(line))
        messages.put(None)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018
        with contextlib.suppress(OSError):  # it died; the listener says so
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, None when the worker is gone.

        Raises:
            queue.Empty: If none comes in time.
        """
        return self._messages.get(timeout=max(0.0, seconds))

    def _await_loaded(self) -> Facts:
        try:
            message = self._next(LOAD_SECONDS)
        except queue.Empty:
            self.close()
            raise UsageError(
                f"Loading {self._request['spec']} did not finish within {LOAD_SECONDS:.0f} seconds."
            ) from None
        if message is None:
            words = self._last_words()
            self.close()
            raise UsageError(
                f"The process that was loading {self._request['spec']} ended before it was done: importing the target "
                "ends the interpreter.",
                words,
            )
        if "refused" in message:
            self.close()
            raise UsageError(message["refused"], message["detail"])
        return wire.load(Facts, message["loaded"])

    def _submit(self, waiting: list[Trial]) -> tuple[Trial, Collected | None] | None:
        """Send the next trial to the worker, or say why it is not run."""
        if not waiting:
            return None
        trial = waiting.pop(0)
        reason = self._blame.reason(trial)
        if reason:
            return trial, Collected(error=f"not run: {reason}")
        if not self._lost:
            self._lost = self._ready()
        if self._lost:
            return trial, Collected(error=f"not run: {self._lost}")
        if self._words is not None:
            self._words_before = os.fstat(self._words.fileno()).st_size
        self._send({"trial": wire.dump(trial)})
        return trial, None

    def _ready(self) -> str:
        """Wait until a child stands ready, in a new worker if need be; return why there is none, or an empty text."""
        try:
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._start()
                self._await_loaded()
            while not self._child:
                message = self._next(LOAD_SECONDS)
                if message is None:
                    self.close()
                    return "the process ended before it could run a trial"
                self._child = message.get("ready", 0)
        except UsageError as error:
            return f"the target could not be loaded again: {error.message}"
        except queue.Empty:
            self.close()
            return f"no process was ready within {LOAD_SECONDS:.0f} seconds"
        return ""

    def _receive(self, trial: Trial) -> Collected:
        patience = limit(trial)
        begun = False
        started = time.monotonic()
        try:
            while True:
                message = self._next(started + patience - time.monotonic())
                if message is None or "died" in message:
                    return self._died(trial, message, time.monotonic() - started, begun=begun)
                begun = begun or message.get("started") == trial.id
                if "compiles" in message:
                    patience = limit(trial) + COMPILING_SECONDS
                self._child = message.get("ready", self._child)  # another goes on where the target left traces
                if "collected" in message:
                    break
        except queue.Empty:
            self._blame.timeout(trial)
            self._kill()
            return Collected(
                error=f"no answer within {patience:.0f} seconds; the process was stopped", seconds=patience
            )
        assert self._process is not None  # noqa: S101 - it has just answered
        if self._process.poll() is not None and self._process.pid != self._child:
            # The child's last answer: without its parent nobody would replace it.
            return self._died(trial, None, time.monotonic() - started, begun=True)
        return wire.load(Collected, message["collected"])

    def _died(self, trial: Trial, message: dict[str, Any] | None, seconds: float, *, begun: bool) -> Collected:
        self._blame.death(trial)
        self._child = 0
        words = self._last_words()
        if message is None or not begun:
            # A trial that nobody has begun still lies in the pipe, and the next child would answer it.
            self.close()
        error = "the process ended" if message is None else message["died"]
        return Collected(error=error, traceback=words, seconds=seconds)

    def _kill(self) -> None:
        """Stop a child that hangs; its parent reports the death, which is read here, and forks another."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        self._child = 0
        try:
            while True:
                message = self._next(GRACE_SECONDS)
                if message is None:
                    self.close()
                    return
                if "died" in message:
                    return
        except queue.Empty:
            self.close()

    def _last_words(self) -> str:
        """Return the end of what the worker wrote to standard error during the trial in hand."""
        if self._words is None:
            return ""
        file = self._words.fileno()
        start = max(self._words_before, os.fstat(file).st_size - LAST_WORDS)
        # Not by seeking: the worker writes at the same position of the same file.
        return os.pread(file, LAST_WORDS, start).decode(errors="replace")


class Blame:
    """Counts deaths and timeouts by what the trials share, so that one endless loop cannot cost an hour."""

    def __init__(self) -> None:
        self._deaths: Counter[tuple[str, object]] = Counter()
        self._timeouts: Counter[tuple[str, object]] = Counter()
        self._all_timeouts = 0

    def death(self, trial: Trial) -> None:
        """Note that the worker died in this trial."""
        self._deaths.update(list(trial.case.coordinates.items()))

    def timeout(self, trial: Trial) -> None:
        """Note that this trial hung."""
        self._timeouts.update(list(trial.case.coordinates.items()))
        self._all_timeouts += 1

    def reason(self, trial: Trial) -> str:
        """Return why this trial is not worth running, or an empty text."""
        if self._all_timeouts >= ALL_TIMEOUTS:
            return f"{self._all_timeouts} earlier trials hung"
        for name, value in trial.case.coordinates.items():
            if self._timeouts[name, value] >= SAME_TIMEOUTS:
                return f"{self._timeouts[name, value]} earlier trials with {name} {value} hung"
            if self._deaths[name, value] >= SAME_DEATHS:
                return f"the process died in {self._deaths[name, value]} earlier trials with {name} {value}"
        return ""
