"""An implementation with a name ends as expected, or with what differs; its causes are told as they were written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.cause import DEFINITION, Cause, Place
from droppath_audit.core.known import Broken, Known
from droppath_audit.core.result import Result
from droppath_audit.core.verdict import Verdict
from droppath_audit.run import expecting
from droppath_audit.run.plan import Settings, make

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts

WHY = "x is divided before it is multiplied"
KNOWN = Known("mine", "a.b:C", "mine", broken=(Broken("DP301", "float32 float16", WHY),))


@pytest.fixture
def named(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> Facts:
    monkeypatch.setattr(expecting, "known_systems", lambda: {"mine": KNOWN})
    return replace(facts, spec="mine", stands_for="a.b:C")


def results(facts: Facts, *broken: str) -> list[Result]:
    trials = make(facts, Settings(effort="quick", only=("DP301", "DP302")))
    return [Result(one, Verdict.failed("NaN") if one.id in broken else Verdict.passed()) for one in trials]


BOTH = ("DP301[cpu-float32]", "DP301[cpu-float16]")


@pytest.mark.parametrize(
    ("broken", "effort", "said"),
    [
        (BOTH, "standard", "as expected of mine"),
        (BOTH[:1], "quick", "as expected of mine"),
        (BOTH[:1], "standard", "not as expected of mine: DP301 in float16 holds"),
        ((*BOTH, "DP302[cpu-float64]"), "quick", "not as expected of mine: DP302 in float64 is broken"),
    ],
)
def test_what_differs_is_said_in_both_directions(broken: tuple[str, ...], effort: str, said: str, named: Facts) -> None:
    assert expecting.expected(named, results(named, *broken), effort) == said


def test_of_what_has_no_name_nothing_is_expected(facts: Facts) -> None:
    assert expecting.expected(facts, results(facts, *BOTH), "standard") == ""


def test_a_cause_that_was_written_down_is_told_so(named: Facts) -> None:
    told = next(one for one in results(named, BOTH[0]) if one.bad)
    cause = Cause(DEFINITION, Place("/a.py", 3), "NaN", "Mend it.", told.level, (told.trial.id,), told.trial.id)
    (found,) = expecting.written([cause], named)
    assert (found.kind, found.sentence) == ("known", WHY)
