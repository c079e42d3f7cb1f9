"""Driving: one trial on a loaded target, in this process."""

from __future__ import annotations

import random
import time
import traceback
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from droppath_audit.core import wire
from droppath_audit.core.case import EAGER
from droppath_audit.core.collected import Collected
from droppath_audit.core.effort import COMPILING_SECONDS
from droppath_audit.core.errors import NotApplicable, TargetRaised, TimeRanOut, Unanswered
from droppath_audit.core.recording import Recording
from droppath_audit.frameworks.guarded import can_be_guarded, guarded
from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.models.target import ModelTarget
from droppath_audit.run.admitting import admitted
from droppath_audit.schedules.target import ScheduleTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np

    from droppath_audit.core.case import AnyCase
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.capabilities import Compiling
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.frameworks.target import Target
    from droppath_audit.targets.loader import Loaded

    AnyTarget = Target | ModelTarget | ScheduleTarget | Recording


class InProcess:
    """Collects in this process: for objects that cannot be sent to another, and for debugging.

    Args:
        loaded: The target, a model or a schedule, with what was learned of it.
        watched: Whether a trial that left something changed in the process is run again under guard; a debugger
            changes the process as well.
    """

    def __init__(self, loaded: Loaded | tuple[ModelTarget | ScheduleTarget, Facts], *, watched: bool = True) -> None:
        self._compiled = False
        self._target: AnyTarget
        if isinstance(loaded, tuple):
            self._target, self.facts = loaded
        else:
            loaded = admitted(loaded)
            self._target, self.facts = loaded.target, loaded.facts
        with single_threaded(self._target):  # as every trial runs: the number of threads is part of the picture
            self._state = picture(self._target) if watched else None

    def collect(
        self,
        trials: Sequence[Trial],
        *,
        known: Mapping[str, Collected] | None = None,
        note: Callable[[Trial, Collected], None] | None = None,
    ) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order; see ``core.collected.Collector``."""
        for trial in trials:
            collected = (known or {}).get(trial.id)
            if collected is None:
                collected = self._collect(trial)
                if note is not None:
                    note(trial, collected)
            yield trial, collected

    def _collect(self, trial: Trial) -> Collected:
        with single_threaded(self._target):
            if trial.case.compiled and not self._compiled:
                self._prepare()
            collected = collect_one(self._target, trial, compiled=self._compiled)
            if not self._compiled and has_compiled(self._target):
                # Nobody knew: it had neither the time for it nor, where it brought the compiler, a clean slate.
                self._compiled = True
                collected = collect_one(self._target, trial, compiled=True)
            guard = [change for change in undone(self._state) if can_be_guarded(change)]
            if guard:
                collected = collect_one(self._target, trial, compiled=self._compiled, state=self._state, guard=guard)
                undone(self._state)
            if self._state is not None and self._state.put_back_after_imports():
                self._state = picture(self._target)
        return collected

    def _prepare(self) -> None:
        """Let the compiler do what it does once, which is no trace of a target; a server does so before it forks."""
        self._compiled, compiler = True, compiler_of(self._target)
        if compiler is not None:
            compiler.prepare()
        if self._state is not None:
            self._state = picture(self._target)


def collect_one(
    target: AnyTarget,
    trial: Trial,
    *,
    compiled: bool = False,
    state: ProcessState | None = None,
    guard: Sequence[Change] | None = None,
) -> Collected:
    """Run one trial, or look at what was recorded for it.

    Args:
        target: What is audited.
        trial: What is asked.
        compiled: Whether the target's code is known to be compiled, which is given more time.
        state: What a trial must leave as it was; needed for a guard.
        guard: What calls of the target are known to change: all that each changes is then put back. None for no guard.
    """
    started = time.perf_counter()
    if guard is not None and state is not None and not isinstance(target, (ModelTarget, ScheduleTarget, Recording)):
        target = guarded(target, state, guard)
    collected = _attempt(target, trial, compiled=compiled)
    return replace(collected, seconds=time.perf_counter() - started)


def picture(target: AnyTarget) -> ProcessState | None:
    """Return what a trial must leave as it is now; None for what is not run."""
    return None if isinstance(target, Recording) else ProcessState.taken(target.framework)


def undone(state: ProcessState | None) -> tuple[Change, ...]:
    """Put back what a trial left changed, as far as it can be, and return all of it."""
    changed = () if state is None else state.changes()
    if changed and state is not None:
        state.restore()
    return changed


def single_threaded(target: AnyTarget) -> AbstractContextManager[None]:
    """Return a context in which the target's framework computes in one thread."""
    return nullcontext() if isinstance(target, Recording) else target.framework.one_thread()


def compiler_of(target: AnyTarget) -> Compiling | None:
    """Return what can tell whether a target is compiled."""
    from droppath_audit.frameworks.capabilities import Compiling, has

    return None if isinstance(target, Recording) else has(target.framework, Compiling)


def has_compiled(target: AnyTarget) -> bool:
    """Return whether code was compiled in the last trial."""
    compiler = compiler_of(target)
    return compiler is not None and compiler.tried()


def _attempt(target: AnyTarget, trial: Trial, *, compiled: bool) -> Collected:
    try:
        if isinstance(target, Recording):
            return _look(target, trial)
        if isinstance(target, (ModelTarget, ScheduleTarget)):
            return _run(target, trial)
        return _drive(target, trial, compiled=compiled)
    except NotApplicable as error:
        return Collected(not_applicable=str(error))
    except Unanswered as error:
        return Collected(inconclusive=str(error))
    except TimeRanOut as error:
        return Collected(inconclusive=str(error), stopped_by_time=True)
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


def _run(target: ModelTarget | ScheduleTarget, trial: Trial) -> Collected:
    """Collect on a model, or of a schedule."""
    from droppath_audit.checks import check as check_of
    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.schedules.probe import ScheduleProbe

    with _seeded(target.framework, trial) as rng:
        probe: ModelProbe | ScheduleProbe
        if isinstance(target, ScheduleTarget):
            probe = ScheduleProbe(target, trial.case)
        else:
            probe = ModelProbe(target, trial.case, rng, trial.alpha)
        seen = check_of(trial.check).collect(probe)
        return Collected(wire.dump(seen), stopped_by_time=probe.clock.stopped, decisions=probe.drawn)


def _drive(target: Target, trial: Trial, *, compiled: bool) -> Collected:
    """Collect on a layer."""
    from droppath_audit.checks import catalogue
    from droppath_audit.probes.certifying import chunk_stopping
    from droppath_audit.probes.live import LiveProbe

    check, compiling = catalogue()[trial.check], compiler_of(target)
    case = trial.case
    if compiled or case.variant != EAGER:  # to capture takes time as well
        case = _with_time_to_compile(case)
    if case.variant != EAGER:
        target = target.executed(trial.case.variant)
    stopping = check.stopping(trial.case, trial.alpha) if trial.chunk is None else chunk_stopping(trial)
    with _seeded(target.framework, trial) as rng, compiling.compiled_anew() if compiling else nullcontext():
        probe = LiveProbe(target, case, rng, stopping, _load)
        try:
            seen = check.collect(probe)
        except NotApplicable as error:
            if not probe.clock.stopped:
                raise
            raise TimeRanOut(f"time ran out: {error}") from error
        collected = Collected(wire.dump(seen), stopped_by_time=probe.clock.stopped, decisions=probe.drawn)
        # For scripts, which show a fault on the smallest samples that the target takes.
        with suppress(NotApplicable, TargetRaised, TypeError):  # what is returned need not be a tensor (see DP005)
            collected = replace(collected, smallest=probe.features())
        if target.way is not None and not check.judges_execution and (idle := target.way.idle()):
            raise NotApplicable(idle)
        if compiling is not None and compiling.failed():
            return Collected(error="the target is compiled, but nothing of it could be, so other code ran")
    return collected


def _load(spec: str) -> Target:
    """Return a target to compare the audited one with."""
    from droppath_audit.targets.loader import load

    target = load(spec).target
    if isinstance(target, Recording):
        raise NotApplicable("a recording cannot be driven")
    return target


@contextmanager
def _seeded(framework: Framework, trial: Trial) -> Iterator[np.random.Generator]:
    """Seed every generator from the trial's id, and restore every global state on leaving."""
    import numpy as np

    from droppath_audit.frameworks.restoring import restored

    rng = np.random.default_rng(np.random.SeedSequence(trial.entropy))
    with restored(framework):
        framework.seed(int(rng.integers(2**63)))
        np.random.seed(int(rng.integers(2**32)))
        random.seed(int(rng.integers(2**63)))
        yield rng


def _with_time_to_compile(case: AnyCase) -> AnyCase:
    """Return a case with more time, since compiling is no sampling."""
    return replace(case, effort=replace(case.effort, seconds=case.effort.seconds + COMPILING_SECONDS))
