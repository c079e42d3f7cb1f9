"""A waiver covers a finding by its check and its cause, until its last day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.core.cause import Cause, Place
from droppath_audit.core.level import Level
from droppath_audit.core.result import Result
from droppath_audit.core.verdict import Outcome, Verdict
from droppath_audit.core.waiver import Waiver
from droppath_audit.run.plan import Settings, make
from droppath_audit.run.waiving import waived

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts

TODAY = date(2026, 6, 1)
PLACE = Place("/layers.py", 7, "drop_path", "return x / keep_prob * mask")


@pytest.fixture
def results(facts: Facts) -> list[Result]:
    trials = make(facts, Settings(effort="quick", only=("DP301", "DP302")))
    failed = Verdict.failed("NaN in 3 of 8 values")
    return [Result(trial, failed if "float32" in trial.id else Verdict.passed()) for trial in trials]


def causes(results: list[Result]) -> list[Cause]:
    broken = tuple(result.trial.id for result in results if result.bad)
    return [Cause("not_finite", PLACE, "div makes NaN", "Select.", Level.MUST, broken, broken[0])]


def left(results: list[Result], **fields: Any) -> list[str]:
    """Return the trials that still fail under one waiver."""
    waiver = Waiver(**{"check": "DP301", "reason": "known", **fields})
    final, _ = waived(results, causes(results), [waiver], "a.b:C", today=TODAY)
    assert [one.trial for one in final] == [one.trial for one in results]
    return [one.trial.id for one in final if one.bad]


BOTH, OTHER = ["DP301[cpu-float32]", "DP302[cpu-float32]"], ["DP302[cpu-float32]"]


@pytest.mark.parametrize(
    ("fields", "fails"),
    [
        ({}, OTHER),
        ({"check": "DP30*"}, []),
        ({"check": "DP201"}, BOTH),
        ({"kind": "not_finite", "function": "drop_path", "line": "return x / keep_prob * mask"}, OTHER),
        ({"kind": "rate"}, BOTH),
        ({"function": "forward"}, BOTH),
        ({"line": "return x"}, BOTH),
        ({"target": "a.b:C"}, OTHER),
        ({"target": "a.*"}, OTHER),
        ({"target": "c.d:E"}, BOTH),
        ({"until": TODAY}, OTHER),
        ({"until": date(2026, 5, 31)}, BOTH),
    ],
)
def test_it_covers_what_it_names_and_nothing_else(
    fields: dict[str, Any], fails: list[str], results: list[Result]
) -> None:
    assert left(results, **fields) == fails


def test_what_is_waived_is_no_pass_and_keeps_what_was_seen(results: list[Result]) -> None:
    final, told = waived(results, causes(results), [Waiver("DP301", "known")], "a.b:C", today=TODAY)
    (one,) = (result for result in final if result.outcome is Outcome.WAIVED)
    assert (one.verdict.observed, one.note) == ("NaN in 3 of 8 values", "waived: known")
    assert [(each.trials, each.expired) for each in told] == [(("DP301[cpu-float32]",), False)]


def test_of_several_the_first_covers_and_what_covers_nothing_is_told(results: list[Result]) -> None:
    several = [Waiver("DP301", "one"), Waiver("DP301", "two"), Waiver("DP301", "other", target="c.d:E")]
    _, told = waived(results, causes(results), several, "a.b:C", today=TODAY)
    assert [(each.waiver.reason, len(each.trials)) for each in told] == [("one", 1), ("two", 0)]


def test_what_holds_is_not_waived(results: list[Result]) -> None:
    sound = [replace(result, verdict=Verdict.passed()) for result in results]
    final, told = waived(sound, [], [Waiver("*", "all")], "a.b:C", today=TODAY)
    assert all(result.outcome is Outcome.PASS for result in final)
    assert told[0].trials == ()
