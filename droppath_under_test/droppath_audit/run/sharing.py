"""Sharing: the trials of one audit, run by several ranks and judged by rank 0.

A counter gives out trials in the order of the plan, as many at once as a rank has workers. Answers come in any order
and are released in that of the plan; what is not worth running is decided here by what was released before, as in one
process (see ``collecting``), so that the report does not depend on how many ranks there were. A rank that refuses a
trial by what it saw itself saw a part of what was released before.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.errors import UsageError
from droppath_audit.core.trial import Trial
from droppath_audit.ranks.exchange import RankLost
from droppath_audit.run.blame import Blame
from droppath_audit.run.journal import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.core.collected import Collector
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.ranks.exchange import Exchange

PLAN, TURNS = "plan", "trials"


class Leading:
    """Rank 0: collects itself, and takes what others collected; see ``core.collected.Collector``.

    Args:
        exchange: Access to the others.
        own: Collects in this rank.
        jobs: How many workers that has.
        interruption: What ends the audit early; told where a rank is lost.
    """

    def __init__(self, exchange: Exchange, own: Collector, jobs: int, interruption: Interruption) -> None:
        self._exchange, self._own, self._jobs, self._interruption = exchange, own, jobs, interruption

    @property
    def facts(self) -> Facts:
        """What was learned of the target in this rank."""
        return self._own.facts

    def collect(
        self,
        trials: Sequence[Trial],
        *,
        known: Mapping[str, Collected] | None = None,
        note: Callable[[Trial, Collected], None] | None = None,
    ) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order, until a signal or the loss of a rank."""
        answers = dict(known or {})
        wanted = [trial for trial in trials if trial.id not in answers]
        releasing = _released(trials, answers)
        try:
            self._exchange.put(
                PLAN,
                {"identity": identity(self.facts), "jobs": self._jobs, "trials": [wire.dump(one) for one in wanted]},
            )
            while not self._interruption.told:
                mine = _turn(self._exchange, wanted, self._jobs)
                for trial, collected in self._own.collect(mine, note=note):
                    answers[trial.id] = collected
                    self._hear(answers, note)
                    yield from releasing()
                self._hear(answers, note)
                yield from releasing()
                if not mine:
                    if all(trial.id in answers for trial in wanted):
                        break
                    self._exchange.pause()
                self._exchange.look()
            yield from releasing()
            if not self._interruption.told:
                self._exchange.end()
        except RankLost as error:
            self._interruption.loss = error.reason
            yield from releasing()

    def _hear(self, answers: dict[str, Collected], note: Callable[[Trial, Collected], None] | None) -> None:
        """Take the answers of the other ranks that are there."""
        for told in self._exchange.handed():
            trial, collected = wire.load(Trial, told["trial"]), wire.load(Collected, told["collected"])
            answers[trial.id] = collected
            if told["ran"] and note is not None:
                note(trial, collected)


def _released(
    trials: Sequence[Trial], answers: Mapping[str, Collected]
) -> Callable[[], Iterator[tuple[Trial, Collected]]]:
    """Return what yields the answers that are next in the order of the plan, as far as they are there."""
    blame, waiting = Blame(), iter(trials)
    upcoming = next(waiting, None)

    def released() -> Iterator[tuple[Trial, Collected]]:
        nonlocal upcoming
        while upcoming is not None:
            reason = blame.reason(upcoming)
            collected = Collected(error=f"not run: {reason}") if reason else answers.get(upcoming.id)
            if collected is None:
                return
            blame.note(upcoming, collected)
            trial, upcoming = upcoming, next(waiting, None)
            yield trial, collected

    return released


def follow(exchange: Exchange, own: Collector, interruption: Interruption) -> None:
    """Collect in a rank other than 0, until rank 0 wants no more.

    Args:
        exchange: Access to the others.
        own: Collects in this rank.
        interruption: What ends it early.

    Raises:
        UsageError: If the target is not the one that rank 0 has.
        RankLost: If rank 0 is missed.
    """
    here, facts = exchange.here.rank, own.facts
    plan = exchange.await_value(PLAN)
    if plan is None:
        return
    if (mine := identity(facts)) != plan["identity"]:
        raise UsageError(f"Rank {here} has something else than rank 0 has: {_differences(plan['identity'], mine)}.")
    wanted = [wire.load(Trial, trial) for trial in plan["trials"]]
    while (turn := _turn(exchange, wanted, plan["jobs"])) and not interruption.told:
        ran: list[Trial] = []
        for trial, collected in own.collect(turn, note=partial(_noted, ran)):
            exchange.hand({"trial": wire.dump(trial), "collected": wire.dump(collected), "ran": trial in ran})
            exchange.look()
        if exchange.ended:
            return
    while not exchange.ended and not interruption.told:
        exchange.look()
        exchange.pause()


def _noted(ran: list[Trial], trial: Trial, _: Collected) -> None:
    ran.append(trial)


def _turn(exchange: Exchange, wanted: Sequence[Trial], number: int) -> Sequence[Trial]:
    """Return the next trials that this rank runs and no other does; none where all are given out."""
    first = exchange.take(TURNS, number)
    return wanted[first : first + number]


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return in what two identities differ, in words."""
    if there["source"] != here["source"]:
        return "another source file"
    names = [name for name, value in here["facts"].items() if there["facts"].get(name) != value]
    return ", ".join(f"{name} {here['facts'][name]!r} and not {there['facts'].get(name)!r}" for name in names)
