"""The processes that run the target: a server that loads it and forks, and the workers that it forks.

Three kinds stand between the supervisor and the target. The warden (``run.warden``) runs nothing of the target. The
server, its child, loads the target once. Workers, forks of the server, run trials; one that dies or is spent is
replaced by another, at the price of a fork and not of an import. Where a process cannot be forked the server is the one
worker.

What goes over the sockets (``run.lines``), by the name that each message has as its one required field:

supervisor to server: ``load`` (spec, kind, devices, imports, admit, slots), ``fork`` (slot), ``prepare`` (the
compiler), ``import`` (modules).
server to supervisor: ``imported``, ``refused`` or ``loaded``, ``forked`` (a process, slot), ``ended`` (a process, slot,
words).
supervisor to worker: ``trial`` (guard).
worker to supervisor: ``started`` (a trial's id, process), ``compiles``, ``collected`` (compiled, changed, spent,
imported).
"""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.errors import UsageError
from droppath_audit.core.recording import Recording
from droppath_audit.core.trial import Trial
from droppath_audit.frameworks.guarded import can_be_guarded
from droppath_audit.frameworks.settings import Change
from droppath_audit.run import processes
from droppath_audit.run.admitting import admitted
from droppath_audit.run.driving import (
    collect_one,
    compiler_of,
    has_compiled,
    picture,
    single_threaded,
    undone,
)
from droppath_audit.run.lines import Reader, Writer
from droppath_audit.run.warden import under_guard

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.models.target import ModelTarget
    from droppath_audit.run.traces import Traces
    from droppath_audit.schedules.target import ScheduleTarget
    from droppath_audit.targets.bound import BoundTarget

    AnyTarget = BoundTarget | ModelTarget | ScheduleTarget | Recording

LOOK_SECONDS = 0.02  # between two looks at what became of the children, where the system cannot tell by itself


@dataclass(frozen=True)
class Slot:
    """Where a worker stands: descriptors that the server holds for it.

    Attributes:
        socket: To the supervisor.
        words: A file for what it prints; the server's own standard error where that is negative.
    """

    socket: int
    words: int


def main(descriptor: int) -> None:
    """Serve a supervisor: load the target that it names, then fork as it asks.

    Args:
        descriptor: Of the socket to the supervisor.
    """
    under_guard(descriptor)
    reader, writer = Reader(descriptor), Writer(descriptor)
    request = reader.next()
    if request is None:
        return
    slots = [Slot(*numbers) for numbers in request["slots"]]
    _take_standard_streams(slots[0])
    faulthandler.enable()
    sys.argv = [request["spec"].partition("?")[0].rpartition(":")[0] or request["spec"]]  # a script's own name alone
    loaded = _load(writer, request)
    if loaded is None:
        return
    target, facts = loaded
    forks = _can_fork(target)
    writer.send(loaded=wire.dump(facts), forks=forks)
    # Imported here, while the supervisor plans and before any fork, so that no worker pays for it.
    from droppath_audit.checks import of_kind

    of_kind(request["kind"])
    # What is there now is never collected again, so that each trial collects its own in no time.
    gc.collect()
    gc.freeze()
    if forks:
        _Server(descriptor, reader, writer, target, slots).serve()
    else:
        _work(slots[0], target)


def _take_standard_streams(slot: Slot) -> None:
    """Give the target an empty input, and let what it prints go where the slot says."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if slot.words >= 0:
        os.dup2(slot.words, 2)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # which keeps nothing back that would be lost with the process


def _load(writer: Writer, request: dict[str, Any]) -> tuple[AnyTarget, Facts] | None:
    from droppath_audit.frameworks import adapters
    from droppath_audit.frameworks.arrivals import Arrivals
    from droppath_audit.run.loading import load
    from droppath_audit.targets.loader import Loaded

    loaded: Loaded | tuple[ModelTarget | ScheduleTarget, Facts] | None
    loaded, process, arrivals = None, os.getpid(), Arrivals(adapters())
    try:
        devices, imports = tuple(request["devices"]), tuple(request["imports"])
        loaded = load(request["kind"], request["spec"], devices=devices, imports=imports)
    except UsageError as error:
        refusal = error
    if os.getpid() != process:
        os._exit(0)  # a copy of the server that the target forked while it was imported
    if loaded is None:
        writer.send(**refusal.to_json())
        return None
    left = arrivals.undone()
    if not isinstance(loaded, Loaded):
        writer.send(imported=True)
        return loaded
    if not isinstance(loaded.target, Recording):
        loaded.target.left_at_import = left
    writer.send(imported=True)  # what goes wrong from here on is no fault of the import
    try:
        loaded = admitted(loaded, calls=request["admit"] and _can_fork(loaded.target))
        return loaded.target, loaded.facts
    except UsageError as error:
        writer.send(**error.to_json())
        return None


def _can_fork(target: AnyTarget) -> bool:
    """Return whether forks of this process would work: no other threads, and nothing that a fork leaves behind."""
    # The frameworks of macOS that NumPy and torch compute with do not survive a fork, nor do threads of C libraries.
    alone = hasattr(os, "fork") and sys.platform != "darwin" and threading.active_count() == _threads() == 1
    return alone and (isinstance(target, Recording) or _survives(target.framework))


def _threads() -> int:
    """Return the threads of this process, those that Python knows nothing of included; 1 where nobody can tell."""
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.is_dir() else 1


def _survives(framework: Framework) -> bool:
    from droppath_audit.frameworks.capabilities import Forking, has

    forking = has(framework, Forking)
    return forking is not None and forking.can_fork()


class _Server:
    """Forks workers as the supervisor asks, and tells it what became of them."""

    def __init__(self, descriptor: int, reader: Reader, writer: Writer, target: AnyTarget, slots: list[Slot]) -> None:
        self._descriptor, self._reader, self._writer = descriptor, reader, writer
        self._target, self._slots = target, slots
        self._traces = None if isinstance(target, Recording) else _traces_of(target)
        self._compiled = False
        self._children: dict[int, int] = {}  # process to slot

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a target that ignores it would leave nothing to wait for
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while not self._reader.ended:
            if poll.poll(1000 * LOOK_SECONDS):
                for message in self._reader.available():
                    if "prepare" in message:
                        self._prepare()
                    elif "import" in message:
                        self._import(message["import"])
                    elif "fork" in message:
                        self._fork(message["fork"])
            self._wait()

    def _fork(self, number: int) -> None:
        child = os.fork()
        if child:
            self._children[child] = number
            self._writer.send(forked=child, slot=number)
            return
        try:
            os.setsid()  # so that what is sent to its whole group reaches none of ours
            processes.end_with_parent()
            os.close(self._descriptor)
            for other, slot in enumerate(self._slots):
                if other != number:
                    os.close(slot.socket)
            _take_standard_streams(self._slots[number])
            _work(self._slots[number], self._target, self._traces, compiled=self._compiled)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _prepare(self) -> None:
        compiler = compiler_of(self._target)
        if compiler is not None and not self._compiled:
            compiler.prepare()
            self._compiled = True

    def _import(self, modules: list[str]) -> None:
        for name in modules:
            with suppress(Exception):  # one that only the target could import
                import_module(name)

    def _wait(self) -> None:
        for child in list(self._children):
            ended, status = 0, 0
            with suppress(ChildProcessError):  # the target installed a handler that waits for everybody's children
                ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._writer.send(
                    ended=child,
                    slot=self._children.pop(child),
                    words=processes.told_end(os.waitstatus_to_exitcode(status)),
                )


def _traces_of(target: BoundTarget | ModelTarget | ScheduleTarget) -> Traces:
    from droppath_audit.frameworks import adapters
    from droppath_audit.run.traces import Traces

    return Traces(target.obj, {package for adapter in adapters() for package in adapter.packages})


def _work(slot: Slot, target: AnyTarget, traces: Traces | None = None, *, compiled: bool = False) -> None:
    """Run trials until the supervisor hangs up, or the target has left something changed in this process.

    Args:
        slot: To the supervisor.
        target: What is audited.
        traces: What shows that another process has to go on; None where there can be no other.
        compiled: Whether the target's code is known to be compiled.
    """
    reader, writer = Reader(slot.socket), Writer(slot.socket)
    process, compiler, loaded = os.getpid(), compiler_of(target), set(sys.modules)
    if compiler is not None and not compiler.compiler_loaded:
        compiler.when_imported(lambda: writer.send(compiles=True))
    state = picture(target)
    while (message := reader.next()) is not None:
        trial = wire.load(Trial, message["trial"])
        guard = None if message.get("guard") is None else [wire.load(Change, change) for change in message["guard"]]
        writer.send(started=trial.id, process=process)
        if compiler is not None and compiler.compiler_loaded:
            writer.send(compiles=True)
        failure: BaseException | None = None
        try:
            with single_threaded(target):
                collected = collect_one(target, trial, compiled=compiled, state=state, guard=guard)
        except BaseException as error:  # Ctrl-C is nobody's: this process is in a session of its own
            failure = error
        if os.getpid() != process:
            os._exit(0)  # a copy of the worker that the target forked
        # What dies with a cycle may change something, and is not to do so in a later trial. What lives on is looked at
        # only once, or each trial would pay for all that is imported: more than a third of a quick audit.
        gc.collect()
        gc.freeze()
        # Before anything of ours that a target may have replaced is used again.
        changed = undone(state)
        if failure is not None:
            text = "".join(traceback.format_exception(failure))
            collected = Collected(error=f"raised {type(failure).__name__}", traceback=text)
        first = not compiled and has_compiled(target)  # it had neither the time for it nor a clean slate
        # What a guard put back, the target may remember.
        spent = traces is not None and (first or bool(changed) or guard is not None or traces.changed())
        writer.send(
            collected=wire.dump(collected),
            compiled=first and traces is not None,
            changed=[wire.dump(change) for change in changed if can_be_guarded(change)],
            spent=spent,
            imported=_of_frameworks(set(sys.modules) - loaded) if spent else [],
        )
        if spent:
            return
        compiled = compiled or first
        if state is not None and state.put_back_after_imports():
            state = picture(target)


def _of_frameworks(modules: set[str]) -> list[str]:
    """Return those modules that are a framework's own: their import can take seconds, and is done for all."""
    from droppath_audit.frameworks import adapters

    packages = {adapter.packages[0] for adapter in adapters()}
    return sorted(name for name in modules if name.partition(".")[0] in packages)
