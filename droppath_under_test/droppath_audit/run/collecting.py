"""Collecting: which trial runs in which worker, and what comes of it.

Trials are begun nearly in the order of the plan. Answers come in any order and are released in the order of the plan;
whether a trial is worth running is decided by what was released before it. So a report depends neither on how many
workers there were nor on which was faster.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from droppath_audit.checks import check
from droppath_audit.core import wire
from droppath_audit.core.case import EAGER
from droppath_audit.core.collected import DIED, HUNG, OVERSIZED, Collected
from droppath_audit.run.allowance import Allowance
from droppath_audit.run.limits import BEAT_SECONDS, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.core.interruption import Interruption
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.blame import Blame
    from droppath_audit.run.crew import Crew, Worker
    from droppath_audit.run.limits import Limits
    from droppath_audit.run.loaded_crew import LoadedCrew

MOST_STILLBORN = 3  # processes that end before they begin the trial that they were given


@dataclass(frozen=True)
class Attempt:
    """A trial that is to be run, or is.

    Attributes:
        number: Its place in the plan.
        fresh: Whether it needs a process in which no trial ran.
        alone: Whether it needs the machine: nothing else runs meanwhile.
        guard: What its calls were seen to change in the process, which is then put back after each; None for no guard.
        stillborn: Processes that ended before they began it.
        note: What its answer has to say of earlier attempts.
    """

    number: int
    fresh: bool = False
    alone: bool = False
    guard: Any = None
    stillborn: int = 0
    note: str = ""


@dataclass
class Running:
    """An attempt in a worker.

    Attributes:
        attempt: What is run.
        watch: What it uses.
        fresh: Whether no trial was begun in its process before.
        alone: Whether nothing else ran when it began.
        begun: Whether the worker has said that it began.
    """

    attempt: Attempt
    watch: Watch
    fresh: bool
    alone: bool
    begun: bool = False


class Collecting:
    """One round of collecting.

    Args:
        crew: Has loaded the target.
        trials: What to run, in order.
        blame: What earlier trials did.
        limits: What a trial and a worker may use.
        allowances: What all trials of an effort and a variant may sample, by both; those of earlier rounds count.
        known: Answers of an earlier run, by the trial's id.
        note: Called with each answer as it comes.
        interruption: What ends it early.
    """

    def __init__(
        self,
        crew: LoadedCrew,
        trials: Sequence[Trial],
        blame: Blame,
        limits: Limits,
        *,
        allowances: dict[str, Allowance],
        known: Mapping[str, Collected],
        note: Callable[[Trial, Collected], None] | None,
        interruption: Interruption | None,
    ) -> None:
        self._loaded, self._trials, self._blame, self._limits = crew, trials, blame, limits
        self._note, self._interruption = note, interruption
        self._allowances = allowances
        self._done = {number: known[trial.id] for number, trial in enumerate(trials) if trial.id in known}
        self._released = 0
        self._waiting = deque(Attempt(number) for number in _begun(trials) if number not in self._done)
        self._again: deque[Attempt] = deque()  # attempts that go before those that wait
        self._running: dict[int, Running] = {}  # by the worker's number
        self._takers: dict[str, int] = {}  # by what trials import, the number of the worker that has it

    def answers(self) -> Iterator[tuple[Trial, Collected]]:
        """Yield every trial with its answer, in order, until the end or an interruption."""
        while self._released < len(self._trials) and not self._interrupted():
            if not self._loaded.lost and self._crew.gone:
                self._lose_crew()
            if not self._loaded.lost:
                self._dispatch()  # before anything is judged: the workers are busy meanwhile
            while (answer := self._release()) is not None:
                yield answer
            if self._released == len(self._trials) or self._interrupted() or self._loaded.lost:
                continue
            for worker, message in self._crew.messages(BEAT_SECONDS):
                self._hear(worker, message)
            self._beat()

    def abandon(self) -> None:
        """End what still runs: nobody waits for it."""
        if not self._loaded.lost:
            for number in list(self._running):
                self._stop(self._crew.workers[number])

    def _interrupted(self) -> bool:
        return self._interruption is not None and self._interruption.told

    @property
    def _crew(self) -> Crew:
        return self._loaded.crew

    def _release(self) -> tuple[Trial, Collected] | None:
        """Return the next answer in the order of the plan, if it is there."""
        if self._released == len(self._trials):
            return None
        number, trial = self._released, self._trials[self._released]
        collected = self._done.pop(number, None)
        reason = self._blame.reason(trial) or (self._loaded.lost if collected is None else "")
        if reason:
            self._withdraw(number)
            collected = Collected(error=f"not run: {reason}")
        if collected is None:
            return None
        self._blame.note(trial, collected)
        self._released += 1
        return trial, collected

    def _withdraw(self, number: int) -> None:
        """See that a trial is not run, or not any longer."""
        for queue in (self._waiting, self._again):
            for attempt in [attempt for attempt in queue if attempt.number == number]:
                queue.remove(attempt)
        for place, running in list(self._running.items()):
            if running.attempt.number == number:
                self._stop(self._crew.workers[place])

    def _answer(self, attempt: Attempt, collected: Collected) -> None:
        """Take an answer."""
        self._allowance(self._trials[attempt.number]).spent(collected.seconds)
        collected = replace(collected, note=attempt.note) if attempt.note else collected
        self._done[attempt.number] = collected
        if self._note is not None:
            self._note(self._trials[attempt.number], collected)

    def _dispatch(self) -> None:
        for worker in self._crew.workers if self._crew.forks else self._crew.workers[:1]:
            attempt = None if worker.number in self._running else self._next(worker)
            if attempt is not None:
                self._begin(worker, attempt)

    def _begin(self, worker: Worker, attempt: Attempt) -> None:
        if self._crew.forks and attempt.fresh and not worker.fresh:
            self._crew.end(worker)
        trial = self._trials[attempt.number]
        if trial.case.compiled and self._crew.forks and not worker.compiles:
            self._crew.prepare_compiler()
            self._crew.end(worker)
        if self._crew.forks and not worker.stands:
            self._crew.fork(worker)
        watch = Watch(self._limits.of(trial), self._limits.memory)
        if trial.case.variant != EAGER:
            watch.grant_compiling()
        self._running[worker.number] = Running(attempt, watch, fresh=worker.fresh, alone=not self._running)
        worker.fresh = False
        worker.mark_words()
        seconds = self._limits.sampling(trial)
        if trial.chunk is None:  # a certificate has a time limit of its own
            seconds = min(seconds, self._allowance(trial).seconds_for(trial))
        case = replace(trial.case, effort=replace(trial.case.effort, seconds=seconds))
        # It may be sent before there is a process: it waits in the socket.
        worker.send(trial=wire.dump(replace(trial, case=case)), guard=attempt.guard)

    def _allowance(self, trial: Trial) -> Allowance:
        effort = trial.case.effort
        return self._allowances.setdefault(f"{effort.name} {trial.case.variant}", Allowance.of(effort))

    def _next(self, worker: Worker) -> Attempt | None:
        """Return and take the next attempt that may begin now, in this worker."""
        for attempt in self._again:
            if not attempt.alone or not self._running:
                self._again.remove(attempt)
                return attempt
        if any(attempt.alone for attempt in self._again) or any(one.attempt.alone for one in self._running.values()):
            return None
        while self._waiting:
            own = (attempt for attempt in self._waiting if self._taker(attempt, worker) == worker.number)
            attempt = next(own, self._waiting[0])
            self._waiting.remove(attempt)
            if not self._blame.reason(self._trials[attempt.number]):
                return attempt
        return None

    def _taker(self, attempt: Attempt, worker: Worker) -> int:
        """Return the number of the worker that takes an attempt: the asking one, or the one with what it imports."""
        together = check(self._trials[attempt.number].check).together
        return self._takers.setdefault(together, worker.number) if together else worker.number

    def _hear(self, worker: Worker | None, message: dict[str, Any]) -> None:
        """Take a message; one that cannot be ours, since the target may write where we do, changes nothing."""
        if worker is None:
            place, process = message.get("slot"), message.get("forked", message.get("ended"))
            if isinstance(place, int) and 0 <= place < len(self._crew.workers) and isinstance(process, int):
                self._hear_of(self._crew.workers[place], process, message)
            return
        running = self._running.get(worker.number)
        if running is None:
            return
        trial = self._trials[running.attempt.number]
        if message.get("started") == trial.id and isinstance(message.get("process"), int):
            running.begun = True
            running.watch.begin(message["process"])
        elif "compiles" in message:
            running.watch.grant_compiling()
        elif running.begun and "collected" in message:
            self._hear_answer(worker, running.attempt, message)

    def _hear_of(self, worker: Worker, process: int, message: dict[str, Any]) -> None:
        """Take word of the server that a worker was forked or has ended."""
        if "forked" in message:
            self._crew.forked(worker, process)
        elif process == worker.process:
            worker.process, worker.stands = 0, False
            running = self._running.pop(worker.number, None)
            if running is not None:
                self._died(running, str(message.get("words", "the process ended")), worker.last_words())

    def _hear_answer(self, worker: Worker, attempt: Attempt, message: dict[str, Any]) -> None:
        del self._running[worker.number]
        if message.get("spent"):
            worker.process, worker.stands = 0, False  # it ends by itself
            self._crew.preload(message.get("imported"))
        if message.get("compiled"):
            self._crew.prepare_compiler()
            self._again.append(replace(attempt, fresh=True))
            return
        if message.get("changed") and attempt.guard is None:
            self._again.append(replace(attempt, fresh=True, guard=message["changed"]))
            return
        try:
            collected = wire.load(Collected, message["collected"])
        except wire.WireError as error:
            collected = Collected(error=f"the process answered what is no answer: {error}")
        self._answer(attempt, collected)

    def _beat(self) -> None:
        """Look at what every worker uses, and stop those that use too much."""
        for place, running in list(self._running.items()):
            worker = self._crew.workers[place]
            worker.forget_words()
            ended, why = running.watch.verdict()
            if not ended:
                continue
            if not running.begun:
                self._lose_crew()  # no process can be had of it
                return
            words = worker.last_words()
            self._stop(worker)
            if ended == OVERSIZED:
                self._died(running, f"{why}; the process was stopped", words, OVERSIZED)
            elif running.attempt.alone or self._blame.certain:
                twice = ", at the second attempt as well" if running.attempt.alone else ""
                error = f"{why}{twice}; the process was stopped"
                hung = Collected(error=error, traceback=words, ended=HUNG, stopped_by_time=True)
                self._answer(running.attempt, hung)
            else:
                note = f"a first attempt was stopped ({why}); this is the second, alone and from the same seed"
                self._again.append(replace(running.attempt, fresh=True, alone=True, note=note))

    def _died(self, running: Running, error: str, words: str, ended: str = DIED) -> None:
        """Judge the end of a process: only what ends one in which nothing ran before is the trial's own doing."""
        attempt = running.attempt
        if not running.begun:
            attempt = replace(attempt, fresh=True, stillborn=attempt.stillborn + 1)
            if attempt.stillborn < MOST_STILLBORN:
                self._again.append(attempt)
                return
        elif not running.fresh:
            self._again.append(replace(attempt, fresh=True))
            return
        self._answer(attempt, Collected(error=error, traceback=words, ended=ended))

    def _lose_crew(self) -> None:
        """Have another crew; with the server every worker is gone, and each of them may have ended it."""
        forks = self._crew.forks
        for place, running in sorted(self._running.items()):
            words = self._crew.workers[place].last_words()
            if not running.begun or (running.alone and (running.fresh or not forks)):
                self._died(replace(running, fresh=True), "the process ended", words)
            else:
                self._again.append(replace(running.attempt, fresh=True, alone=True))
        self._running.clear()
        self._loaded.replace()

    def _stop(self, worker: Worker) -> None:
        """End a worker that is busy; the next trial at its place has another."""
        self._running.pop(worker.number, None)
        if self._crew.forks:
            self._crew.end(worker)
        else:
            self._loaded.replace()


def _begun(trials: Sequence[Trial]) -> list[int]:
    """Return the places of trials in the order in which they begin: the second half with its lengthy ones first.

    Where one of these came last, the other workers would wait for it. What hangs or dies shows in the first half.
    """
    half = len(trials) // 2
    later = sorted(range(half, len(trials)), key=lambda number: not check(trials[number].check).lengthy)
    return [*range(half), *later]
