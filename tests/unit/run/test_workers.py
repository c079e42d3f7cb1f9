"""Several workers: the report is the same, byte for byte, whoever was faster."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.events import AuditFinished
from droppath_audit.report.json import dumps
from droppath_audit.run import engine
from droppath_audit.run.blame import Blame
from droppath_audit.run.collecting import Collecting
from droppath_audit.run.crew import Crew
from droppath_audit.run.limits import Limits
from droppath_audit.run.plan import Settings, make
from droppath_audit.run.supervisor import Supervisor
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.report import Report

DIES = "if at[1] == 0.9:\n    os._exit(3)"
SLOW = "time.sleep(0.0005 if at[0] == 'float64' and x.shape[0] < 100 else 0.0)"
KEEPS = "drop_path.calls = getattr(drop_path, 'calls', 0) + 1\nif drop_path.calls > 60:\n    return x"
CHANGES = "torch.set_default_dtype(torch.float64)"


@pytest.fixture
def told(timeless: Callable[[Any], Any]) -> Callable[[Report], str]:
    """Return what writes a report, without what a clock measured."""
    return lambda report: json.dumps(timeless(json.loads(dumps([report]))))


@pytest.mark.parametrize("code", [DIES, SLOW, KEEPS, CHANGES], ids=["dies", "slow", "keeps", "changes"])
def test_any_number_of_workers_makes_the_same_report(
    code: str, target: Callable[..., str], isolated: Callable[..., Report], told: Callable[[Report], str]
) -> None:
    spec = target(code)
    only = ("DP001[cpu-float32*]", "DP101", "DP104[cpu-float64]", "DP301", "DP302")
    one, several = (told(isolated(spec, *only, jobs=jobs)) for jobs in (1, 3))
    assert several == one


def test_the_circuit_breaker_acts_in_the_order_of_the_plan(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    # The first three that die are slow: the fourth worker has run all others by then, and their answers do not count.
    code = "if at[0] == 'float16':\n    time.sleep(1.0 if at[1] < 0.4 else 0.0)\n    os._exit(5)"
    report = isolated(target(code), "DP201[cpu-float16*]", jobs=4)
    reason = "not run: the process died in 3 earlier trials with dtype float16"
    errors = [result.verdict.observed for result in report.results]
    assert errors == 3 * ["the process ended with exit status 5"] + 3 * [reason]


def test_a_broken_layer_is_judged_alike_by_one_worker_and_by_two(told: Callable[[Report], str]) -> None:
    reports = []
    for jobs in (1, 2):
        with Supervisor("droppath_audit.mutants.law:floor_mask", jobs=jobs) as supervisor:
            *_, last = engine.run(
                supervisor, Settings(effort="quick", only=("DP101", "DP102", "DP104", "DP107", "DP602"))
            )
        assert isinstance(last, AuditFinished)
        reports.append(told(last.report))
    assert reports[0] == reports[1]
    assert '"fail"' in reports[0]


def test_what_a_process_said_last_is_heard_before_its_end(
    target: Callable[..., str], isolated: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Crew.messages

    def late(crew: Crew, seconds: float) -> Iterator[Any]:
        time.sleep(0.2)  # by now a worker has answered, ended, and its end was told
        yield from heard(crew, seconds)

    monkeypatch.setattr(Crew, "messages", late)
    report = isolated(target("drop_path.calls = getattr(drop_path, 'calls', 0) + 1"), "DP301")
    assert [str(result.outcome) for result in report.results] == ["pass"] * 4


def test_lengthy_trials_are_not_begun_among_the_last_and_come_in_their_place() -> None:
    settings, begun = Settings(effort="quick", only=("DP301", "DP304", "DP403", "DP602", "DP803")), []
    with Supervisor("droppath_reference:DropPath") as supervisor:
        trials = make(supervisor.facts, settings)
        asked = [trial for trial in trials if not trial.reason]
        given = [trial for trial, _ in supervisor.collect(asked, note=lambda trial, _: begun.append(trial))]
    assert given == asked
    lengthy = [catalogue()[trial.check].lengthy for trial in begun]
    half = len(begun) // 2
    assert begun[:half] == asked[:half]
    assert any(lengthy[half:])
    assert lengthy[half:] == sorted(lengthy[half:], reverse=True)
    assert not lengthy[-1]


def test_trials_that_need_one_import_go_to_one_worker_while_the_others_have_something_to_do() -> None:
    facts = load("droppath_reference:DropPath").facts
    trials = [t for t in make(facts, Settings(effort="quick", only=("DP402", "DP403", "DP404"))) if not t.reason]
    collecting: Any = Collecting(
        SimpleNamespace(lost=""), trials, Blame(), Limits(), allowances={}, known={}, note=None, interruption=None
    )  # type: ignore[arg-type]
    taken = {number: [] for number in (0, 1)}
    for number in (0, *[1] * (len(trials) - 1)):
        taken[number].append(trials[collecting._next(SimpleNamespace(number=number)).number].check)
    together, others = ([t.check for t in trials if (t.check != "DP403") is wanted] for wanted in (True, False))
    assert catalogue()["DP402"].together == catalogue()["DP404"].together == catalogue()["DP705"].together != ""
    assert catalogue()["DP403"].together == ""
    assert taken == {0: ["DP402"], 1: [*others, *together[1:]]}
    assert others
