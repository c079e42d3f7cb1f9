"""Trials that several ranks run give the report of one process."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.collected import DIED, Collected
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import Facts
from droppath_audit.core.interruption import Interruption
from droppath_audit.run.blame import SAME_DEATHS, Blame
from droppath_audit.run.plan import Settings, make
from droppath_audit.run.sharing import Leading, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.core.trial import Trial
    from droppath_audit.ranks.exchange import Exchange

FACTS = Facts("", "class", "", "", "torch", Dialect(), "", "", {"cpu": ("float32", "bfloat16")})


class Collects:
    """Answers with the trial's id; trials of one dtype end their process, as long as that is worth a try."""

    def __init__(self, facts: Facts = FACTS, dies: str = "") -> None:
        self.facts, self.ran = facts, list[str]()
        self._dies, self._blame = dies, Blame()

    def collect(
        self, trials: Sequence[Trial], *, note: Callable[[Trial, Collected], None] | None = None, **_: object
    ) -> Iterator[tuple[Trial, Collected]]:
        for trial in trials:
            if reason := self._blame.reason(trial):
                yield trial, Collected(error=f"not run: {reason}, as this rank saw it")
                continue
            self.ran.append(trial.id)
            time.sleep(0.01)  # so that each rank has a turn
            died = trial.case.coordinates.get("dtype") == self._dies
            collected = Collected(error="died", ended=DIED) if died else Collected({"id": trial.id})
            self._blame.note(trial, collected)
            if note is not None:
                note(trial, collected)
            yield trial, collected


@pytest.fixture
def trials() -> list[Trial]:
    return [trial for trial in make(FACTS, Settings()) if not trial.reason][:40]


def shared(
    ranks: list[Exchange], collectors: list[Collects], trials: Sequence[Trial], **options: object
) -> tuple[list[tuple[Trial, Collected]], list[UsageError]]:
    raised: list[UsageError] = []

    def run(exchange: Exchange, collector: Collects) -> None:
        try:
            follow(exchange, collector, Interruption())
        except UsageError as error:
            raised.append(error)
            exchange.fail(error.message)

    pairs = zip(ranks[1:], collectors[1:], strict=True)
    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    found = list(Leading(ranks[0], collectors[0], 2, Interruption()).collect(trials, **options))  # type: ignore[arg-type]
    for thread in threads:
        thread.join(20.0)
        assert not thread.is_alive()
    return found, raised


def test_every_trial_is_run_once_and_answered_in_order(
    exchanges: Callable[..., list[Exchange]], trials: list[Trial]
) -> None:
    collectors, noted = [Collects() for _ in range(3)], list[str]()
    known = {trials[3].id: Collected({"id": "from an earlier run"})}
    found, raised = shared(
        exchanges(3, patience=10.0), collectors, trials, known=known, note=lambda trial, _: noted.append(trial.id)
    )
    assert not raised
    assert [trial for trial, _ in found] == trials
    expected = [known.get(trial.id, Collected({"id": trial.id})) for trial in trials]
    assert [collected for _, collected in found] == expected
    assert all(collector.ran for collector in collectors)
    ran = [name for collector in collectors for name in collector.ran]
    assert sorted(ran) == sorted(noted) == sorted(trial.id for trial in trials if trial.id not in known)


def test_what_is_not_worth_running_is_what_one_process_would_not_run(
    exchanges: Callable[..., list[Exchange]], trials: list[Trial]
) -> None:
    alone = [found.error for _, found in Collects(dies="bfloat16").collect(trials)]
    collectors = [Collects(dies="bfloat16") for _ in range(3)]
    found, _ = shared(exchanges(3, patience=10.0), collectors, trials)
    assert alone.count("died") == SAME_DEATHS
    assert [one.error for _, one in found] == [text.replace(", as this rank saw it", "") for text in alone]


def test_a_rank_with_another_target_is_refused(exchanges: Callable[..., list[Exchange]], trials: list[Trial]) -> None:
    other = Collects(replace(FACTS, package="timm 2"))
    found, raised = shared(exchanges(2, patience=10.0), [Collects(), other], trials)
    assert "Rank 1 has something else than rank 0 has: package 'timm 2' and not ''." in raised[0].message
    assert not other.ran
    assert [trial for trial, _ in found] == trials[: len(found)]


def test_a_rank_that_is_gone_ends_the_audit_with_what_there_is(
    exchanges: Callable[..., list[Exchange]], trials: list[Trial]
) -> None:
    lead, gone = exchanges(2, patience=0.5)
    gone.take("trials", 2)  # the first two, which are never answered
    gone.silence()
    interruption, noted = Interruption(), list[str]()
    leading = Leading(lead, Collects(), 2, interruption)
    found = list(leading.collect(trials, note=lambda trial, _: noted.append(trial.id)))
    assert not found
    assert "rank 1 of 2 gave no sign of life" in interruption.reason
    assert noted == [trial.id for trial in trials[2:]]  # and are in the journal, for the next run
