"""DP908 against every faulty schedule and every sound one that there is."""

from __future__ import annotations

import inspect
import itertools
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.checks import catalogue, check, everything, of_models, of_schedules
from droppath_audit.core.events import AuditFinished
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants.schedules import mutants, values
from droppath_audit.run import engine
from droppath_audit.run.driving import InProcess
from droppath_audit.run.loading import load
from droppath_audit.run.plan import Settings
from droppath_audit.schedules.aspects import ASPECTS
from droppath_audit.sound.schedules import sound_variants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from droppath_audit.core.report import Report

BROKEN = {
    "divides_by_zero": {"every-depth"},
    "one_too_few": {"one-a-block"},
    "never_reaches": {"known-rule"},
    "exceeds": {"within-0-1", "known-rule"},
    "floors": {"known-rule"},
    "backwards": {"known-rule", "never-decreasing"},
    "always_something": {"known-rule", "nothing-at-0"},
    "kept_from_the_other_end": {"known-rule", "nothing-at-0"},
    "only_some_depths": {"known-rule"},
    "restarts_in_each_stage": {"known-rule", "never-decreasing"},
    "uses_up_its_argument": {"arguments-untouched"},
    "stages_mixed_up": {"one-a-block"},
    "first_stage_alone": {"one-a-block"},
    "tensors": {"plain-numbers"},
    "numpy_scalars": {"plain-numbers"},
    "reads_items": {"without-values"},
    "remembers": {"one-a-block", "never-decreasing", "nothing-at-0", "same-twice"},
    "alone": {"one-a-block"},
    "texts": {"within-0-1", "plain-numbers"},
}
"""Every mutant, and the aspects that it breaks: these and no others."""
LIGHT = ("plain-numbers", "without-values")


def audited(spec: str, **settings: Any) -> Report:
    *_, last = engine.run(InProcess(load("schedule", spec), watched=False), Settings(**settings))
    assert isinstance(last, AuditFinished)
    return last.report


def aspects(report: Report, outcome: Outcome) -> set[str]:
    return {result.trial.case.aspect for result in report.results if result.verdict.outcome is outcome}


def test_every_mutant_is_claimed_and_every_claim_is_a_mutant() -> None:
    assert {*check("DP908").mutants} == {*mutants()} == {*BROKEN}
    assert {aspect for broken in BROKEN.values() for aspect in broken} == {*ASPECTS}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mutant_breaks_what_it_breaks_and_a_script_shows_it(
    name: str, outcome_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = mutants()[name]
    module, _, function = spec.partition(":")
    assert len(inspect.getdoc(getattr(import_module(module), function)) or "") > 40
    # Trials of what remembers stand each in a process of their own; here each begins with nothing to remember.
    parts = [(f"DP908[cpu-{aspect}]",) for aspect in ASPECTS] if name == "remembers" else [()]
    broken = set()
    for only in parts:
        monkeypatch.setattr(values, "_made", [])
        report = audited(spec, only=only)
        assert not aspects(report, Outcome.ERROR)
        for result in report.results:
            if result.verdict.outcome is not Outcome.FAIL:
                continue
            aspect = result.trial.case.aspect
            broken.add(aspect)
            assert result.level is (Level.SHOULD if aspect in LIGHT else Level.MUST)
            monkeypatch.setattr(values, "_made", [])
            ended = {"divides_by_zero": "raises ZeroDivisionError", "reads_items": "raises RuntimeError"}
            assert outcome_of(result.snippet) == ended.get(name, "fails"), result.snippet
            assert "droppath_audit." not in result.snippet.replace("droppath_audit.mutants.", "")
    assert broken == BROKEN[name]


@pytest.mark.parametrize("name", sound_variants())
def test_a_sound_schedule_is_found_no_fault_with(name: str) -> None:
    report = audited(sound_variants()[name])
    away = aspects(report, Outcome.NOT_APPLICABLE)
    assert away <= {"arguments-untouched"}
    assert aspects(report, Outcome.PASS) == {*ASPECTS} - away


@pytest.mark.parametrize(
    ("rule", "function"), [("linear", "linear"), ("ends-early", "efficientnet"), ("paper", "paper"),
                           ("constant", "constant"), ("stagewise", "stagewise")],
)  # fmt: skip
def test_the_reference_follows_the_rule_that_it_is_and_no_other(rule: str, function: str) -> None:
    spec = f"droppath_reference.schedule:{function}"
    told = {result.trial.case.aspect: result.verdict for result in audited(spec).results}
    assert told["known-rule"].observed.startswith(f"{rule}, at depths")
    assert aspects(audited(f"{spec}?schedule={rule}"), Outcome.FAIL) == set()
    others = {"linear", "ends-early", "paper", "constant"} - {rule}
    for other in others:
        assert aspects(audited(f"{spec}?schedule={other}", only=("DP908[cpu-known-rule]",)), Outcome.FAIL), other


def test_no_rule_need_be_followed_where_none_is_promised() -> None:
    report = audited(f"{mutants()['backwards']}?schedule=none")
    assert aspects(report, Outcome.FAIL) == set()


def written(folder: Path, text: str) -> str:
    file = folder / f"made_{next(_NUMBERS)}.py"
    file.write_text(f"{text}\n", encoding="utf-8")
    return str(file)


_NUMBERS = itertools.count()


@pytest.mark.parametrize("off", [2.1e-6, 1.9e-6])
def test_two_millionths_are_the_limit(off: float, tmp_path: Path) -> None:
    end = f"rate - {off} if 0 < rate < 1 else rate"
    file = written(
        tmp_path, f"def rates(rate, depth):\n    return [({end}) * l / max(depth - 1, 1) for l in range(depth)]"
    )
    report = audited(f"{file}:rates", only=("DP908[cpu-known-rule]",))
    assert aspects(report, Outcome.FAIL if off > 2e-6 else Outcome.PASS) == {"known-rule"}


REFUSING = """def rates(rate, depth):
    if not 0 <= rate < 1:
        raise {kind}("rate")
    return [rate] * depth"""


def test_a_refusal_of_rate_1_weighs_less_unless_it_is_declared(tmp_path: Path) -> None:
    file = written(tmp_path, REFUSING.format(kind="ValueError"))
    (refused,) = (one for one in audited(f"{file}:rates").results if one.bad)
    assert (refused.trial.case.aspect, refused.level) == ("every-depth", Level.SHOULD)
    assert "keep_prob_zero=raises" in refused.verdict.hint
    assert not any(one.bad for one in audited(f"{file}:rates?keep_prob_zero=raises").results)
    file = written(tmp_path, REFUSING.format(kind="OverflowError"))
    assert [one.level for one in audited(f"{file}:rates?keep_prob_zero=raises").results if one.bad] == [Level.MUST]


EITHER = """def rates(rate, depths: int | list[int], together=True):
    if isinstance(depths, list) == {lists}:
        raise ValueError("not so")
    total = depths if isinstance(depths, int) else sum(depths)
    return [rate] * total"""


@pytest.mark.parametrize(("lists", "way"), [(True, "total"), (False, "stages")])
def test_one_way_to_tell_depths_that_is_refused_weighs_less_and_can_be_declared(
    lists: bool, way: str, tmp_path: Path
) -> None:
    file = written(tmp_path, EITHER.format(lists=lists))
    (refused,) = (one for one in audited(f"{file}:rates").results if one.bad)
    assert refused.level is Level.SHOULD
    assert f"depth=NAME:{way}" in refused.verdict.hint
    assert not any(one.bad for one in audited(f"{file}:rates?depth=depths:{way}").results)


def test_what_raises_everywhere_is_one_finding_at_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "def rates(rate, depth):\n    values = []\n    return values[depth]")
    report = audited(f"{file}:rates")
    (found,) = (one for one in report.results if one.bad)
    assert found.verdict.observed.startswith("depth 1, rates 0, 0.1, 0.37, 1: raised IndexError")
    assert (found.place.file, found.place.line, found.place.function) == (file, 3, "rates")  # type: ignore[union-attr]


def test_ids_and_slugs_of_all_checks_are_different() -> None:
    assert len(everything()) == len(catalogue()) + len(of_models()) + len(of_schedules())
    assert len(everything()) == len({one.slug for one in everything().values()})
    assert list(everything()) == sorted(everything())
