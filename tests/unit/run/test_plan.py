from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.errors import UsageError
from droppath_audit.run import plan
from droppath_audit.run.plan import Settings, make

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts


def ids(facts: Facts, *only: str, skip: tuple[str, ...] = ()) -> list[str]:
    return [trial.id for trial in make(facts, Settings(only=only, skip=skip))]


def test_ids_are_unique_and_do_not_depend_on_effort_or_seed(facts: Facts) -> None:
    names = ids(facts)
    assert len(names) == len(set(names)) > 100
    other = [trial.id for trial in make(facts, Settings(effort="thorough", seed=7, budget=1e-3))]
    assert [name for name in other if not name.startswith("DP114")] == [n for n in names if not n.startswith("DP114")]
    # Of a covering array there are as many rows as it takes, which is a matter of the seed.
    for some in (names, other):
        rows = [name for name in some if name.startswith("DP114")]
        assert rows == [f"DP114[cpu-c{number:02}]" for number in range(len(rows))]
        assert len(rows) >= 49  # seven batch sizes, each with seven classes of drop_prob


def test_ids_that_reports_hold_on_to_stay_as_they_are(facts: Facts) -> None:
    names = ids(facts)
    for name in ("DP001[cpu-bfloat16-p0.1]", "DP102[cpu-float64-p0.002]", "DP301[cpu-float32]"):
        assert name in names
    assert names == sorted(names, key=lambda name: name[:5])


def test_two_devices_double_the_plan_without_sharing_ids(facts: Facts) -> None:
    both = replace(facts, devices={"cpu": facts.devices["cpu"], "cuda:0": facts.devices["cpu"]})
    names = ids(both)
    away = [name for name in names if catalogue()[name[:5]].away]  # which the CPU is not asked
    assert away
    assert len(names) == len(set(names)) == 2 * len(ids(facts)) + len(away)
    seconds = {
        device: {trial.case.effort.seconds for trial in make(both, Settings()) if trial.case.device == device}
        for device in both.devices
    }
    assert seconds == {"cpu": {15.0}, "cuda:0": {45.0}}  # where every call waits


@pytest.mark.parametrize("only", [(), ("DP102[cpu-float32-p0.1]",), ("DP1xx",)])
def test_a_statistical_trial_spends_the_same_share_whatever_is_selected(facts: Facts, only: tuple[str, ...]) -> None:
    trials = make(facts, Settings(budget=1e-4, only=only))
    shares = {trial.alpha for trial in trials if trial.design is not None}
    assert shares == {1e-4 / 2**14}


def test_deterministic_trials_spend_nothing(facts: Facts) -> None:
    assert {trial.alpha for trial in make(facts, Settings(only=("DP301", "DP001")))} == {0.0}


@pytest.mark.parametrize(
    ("pattern", "checks"),
    [
        ("DP301[cpu-float32]", {"DP301"}),
        ("dp301[CPU-Float32]", {"DP301"}),
        ("DP301", {"DP301"}),
        ("keep-prob-zero", {"DP301"}),
        ("keep-prob-zero*", {"DP301", "DP302"}),
        ("DP3xx", {"DP301", "DP302"}),
        ("dp3", {"DP301", "DP302"}),
        ("*[cpu-*-p0.9]", {"DP001", "DP102", "DP201", "DP202", "DP203", "DP401"}),
        ("DP?01", None),
        ("DP30", None),
        ("float32", None),
        ("DP301[cpu-float32", None),
        ("", None),
    ],
)
def test_patterns(facts: Facts, pattern: str, checks: set[str] | None) -> None:
    if checks is None:
        with pytest.raises(UsageError, match="No trial of this audit matches"):
            ids(facts, pattern)
    else:
        found = {name[:5] for name in ids(facts, pattern)}
        assert found & KNOWN == checks


KNOWN = {"DP001", "DP102", "DP201", "DP202", "DP203", "DP301", "DP302", "DP401"}


def test_an_id_selects_one_trial_and_brackets_are_no_wildcards(facts: Facts) -> None:
    assert ids(facts, "DP301[cpu-float32]") == ["DP301[cpu-float32]"]


def test_only_and_skip_combine(facts: Facts) -> None:
    assert ids(facts, "DP301", "DP302", skip=("*16]", "DP302")) == [
        "DP301[cpu-float64]",
        "DP301[cpu-float32]",
    ]


@pytest.mark.parametrize(
    ("only", "skip", "message"),
    [
        (("keep-prob-zer0",), (), "'keep-prob-zero'"),
        ((), ("DP999",), "DP9|DP"),
        (("DP301[cpu-flaot32]",), (), r"'DP301\[cpu-float32\]'"),
        (("DP301",), ("DP301",), "leave no trial"),
    ],
)
def test_a_selection_of_nothing_is_refused_with_what_resembles_it(
    facts: Facts, only: tuple[str, ...], skip: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ids(facts, *only, skip=skip)


def test_what_does_not_apply_is_planned_with_its_reason(facts: Facts) -> None:
    bare = replace(facts, evaluates=False, devices={"cpu": ("float64", "float32", "bfloat16")})
    trials = {trial.id: trial for trial in make(bare, Settings())}
    assert trials["DP001[cpu-float32-p0.1]"].reason == "the target has no evaluation mode (training=always)"
    assert trials["DP301[cpu-float16]"].reason == "torch has no float16 on cpu"
    assert trials["DP102[cpu-float16-p0.1]"].design is None
    assert not trials["DP301[cpu-float32]"].reason


def test_a_check_does_not_apply_where_the_framework_lacks_what_it_needs(facts: Facts) -> None:
    for kinds in ((), ("Autograd",)):
        trials = {trial.id: trial for trial in make(replace(facts, capabilities=kinds), Settings())}
        assert trials["DP103[cpu-float32-p0.1]"].reason == "torch does not show the draws of a target"
        assert trials["DP401[cpu-float32-p0.1]"].reason == ("" if kinds else "torch has no gradients")


def test_a_target_that_refuses_keep_prob_zero_is_not_asked_for_its_law_there(facts: Facts) -> None:
    refusing = replace(facts, dialect=replace(facts.dialect, keep_prob_zero="raises"))
    trials = {trial.id: trial for trial in make(refusing, Settings())}
    for trial in ("DP302[cpu-float32]", "DP102[cpu-float32-p1]"):
        assert "refuses keep_prob = 0" in trials[trial].reason
    assert not trials["DP102[cpu-float32-p0.9]"].reason


def test_more_statistical_trials_than_shares_are_refused(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    number = sum(trial.design is not None for trial in make(facts, Settings()))
    monkeypatch.setattr(plan, "TRIALS_PER_AUDIT", number)
    assert make(facts, Settings())
    monkeypatch.setattr(plan, "TRIALS_PER_AUDIT", number - 1)
    with pytest.raises(UsageError, match="into which the budget is divided"):
        make(facts, Settings(only=("DP301",)))


@pytest.mark.parametrize(
    "wrong", [{"effort": "quik"}, {"budget": 0.0}, {"budget": 1.0}, {"budget": float("nan")}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_every_check_is_planned(facts: Facts) -> None:
    elsewhere = {"DP703", "DP704", *(check.id for check in catalogue().values() if check.away)}
    costs = {"DP801", "DP802", "DP804"}  # of which nothing is planned without being asked for
    assert {name[:5] for name in ids(facts)} == set(catalogue()) - elsewhere - costs
    asked = make(facts, Settings(benchmark=True))
    assert {trial.check for trial in asked} == set(catalogue()) - elsewhere
    assert [trial for trial in asked if trial.check not in costs] == list(make(facts, Settings()))
    recorded = replace(facts, recording=())
    assert not costs & {trial.check for trial in make(recorded, Settings())}
    with pytest.raises(UsageError, match="It runs with --benchmark alone"):
        ids(facts, "DP802")
    with pytest.raises(UsageError, match="It runs on other devices than the CPU alone"):
        ids(facts, "DP702")
