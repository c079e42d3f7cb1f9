"""Findings are gathered under causes: each belongs to one, and faults on different lines are never thrown together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.causes.kinds import raising
from droppath_audit.checks import catalogue
from droppath_audit.commands import main
from droppath_audit.core.cause import DEFINITION, Place
from droppath_audit.core.level import Level
from droppath_audit.core.result import Result
from droppath_audit.core.verdict import Verdict
from droppath_audit.run.explaining import Found, gathered, kinds_of
from droppath_audit.run.plan import Settings, make

if TYPE_CHECKING:
    from pathlib import Path

    from droppath_audit.core.facts import Facts

HERE = Place("/layers.py", 7, "layer", "return x * mask")
RATE = Found("rate", HERE, "by another rate", "Compare with keep_prob.")


@pytest.fixture
def results(facts: Facts) -> dict[str, Result]:
    trials = make(replace(facts, origin="/layers.py:3"), Settings(effort="quick"))
    return {trial.id: Result(trial, Verdict.passed(), fix="Mend it.") for trial in trials if not trial.reason}


def broken(results: dict[str, Result], **observed: str) -> list[Result]:
    """Return the results, those of these checks broken, each in its first trial and with these words."""
    left = dict(observed)
    told = []
    for result in results.values():
        said = left.pop(result.trial.check, None)
        told.append(result if said is None else replace(result, verdict=Verdict.failed(said), snippet="assert False"))
    return told


def first(told: list[Result], check: str) -> str:
    return next(result.trial.id for result in told if result.trial.check == check)


def test_what_nothing_explains_stands_at_the_definition_a_check_a_cause(
    results: dict[str, Result], facts: Facts
) -> None:
    told = broken(results, DP102="kept 0.5", DP201="x is 3")
    causes = gathered(told, replace(facts, origin="/layers.py:3"), {})
    assert [(one.kind, str(one.place), one.checks, one.fix) for one in causes] == [
        (DEFINITION, "/layers.py:3", ("DP102",), "Mend it."),
        (DEFINITION, "/layers.py:3", ("DP201",), "Mend it."),
    ]


def test_findings_of_one_line_are_one_cause_and_of_two_lines_two(results: dict[str, Result], facts: Facts) -> None:
    told = broken(results, DP102="kept 0.5", DP103="keeps 1/2", DP201="x is 3")
    there = replace(RATE, place=replace(HERE, line=9))
    found = {first(told, "DP102"): RATE, first(told, "DP103"): RATE, first(told, "DP201"): there}
    causes = gathered(told, facts, found)
    assert [(one.place.line, one.checks) for one in causes] == [(7, ("DP102", "DP103")), (9, ("DP201",))]


def test_two_mistakes_in_one_line_are_two_causes_and_a_vague_kind_belongs_to_the_first(
    results: dict[str, Result], facts: Facts
) -> None:
    told = broken(results, DP101="worst at 0.3", DP102="kept 0.5", DP201="x is 3")
    ids = [first(told, check) for check in ("DP101", "DP102", "DP201")]
    found = dict(zip(ids, (replace(RATE, kind="drawing"), RATE, replace(RATE, kind="scaling")), strict=True))
    causes = gathered(told, facts, found)
    assert [(one.kind, one.checks) for one in causes] == [("rate", ("DP101", "DP102")), ("scaling", ("DP201",))]


def test_a_wrong_number_is_one_cause_whatever_is_made_of_it(results: dict[str, Result], facts: Facts) -> None:
    told = broken(results, DP102="kept 0.5", DP201="x is 3")
    rate, scale = replace(RATE, mistake="number"), replace(RATE, kind="scaling", mistake="number")
    causes = gathered(told, facts, {first(told, "DP102"): rate, first(told, "DP201"): scale})
    assert [(one.kind, one.checks) for one in causes] == [("rate", ("DP102", "DP201"))]


def test_a_wrong_shape_and_a_wrong_dtype_are_two_mistakes_of_one_line(results: dict[str, Result], facts: Facts) -> None:
    told = broken(results, DP002="float32[4] on cpu", DP005="float64[7, 7] on cpu")
    shape, dtype = (replace(RATE, kind="departing", mistake=f"departing {what}") for what in ("shape", "dtype"))
    causes = gathered(told, facts, {first(told, "DP002"): dtype, first(told, "DP005"): shape})
    assert {one.checks for one in causes} == {("DP002",), ("DP005",)}


def test_what_knows_no_mistake_belongs_to_the_one_of_its_family(results: dict[str, Result], facts: Facts) -> None:
    told = broken(results, DP102="kept 0.5", DP201="x is 3", DP203="mean 2")
    ids = [first(told, check) for check in ("DP102", "DP201", "DP203")]
    kinds = (RATE, replace(RATE, kind="scaling"), replace(RATE, kind="meeting_x"))
    causes = gathered(told, facts, dict(zip(ids, kinds, strict=True)))
    assert {(one.kind, one.checks) for one in causes} == {("rate", ("DP102",)), ("scaling", ("DP201", "DP203"))}


def test_what_knows_no_mistake_comes_last(results: dict[str, Result], facts: Facts) -> None:
    told = broken(results, DP101="worst at 0.3", DP103="keeps 1/2", DP201="x is 3")
    there = replace(RATE, kind="drawing", place=replace(HERE, line=9))
    found = {first(told, "DP101"): there, first(told, "DP103"): there, first(told, "DP201"): RATE}
    assert [one.kind for one in gathered(told, facts, found)] == ["rate", "drawing"]


def test_what_is_said_of_a_kept_value_or_of_x_asks_the_kind_that_knows_of_it_first() -> None:
    assert kinds_of("DP103", "all are neither 0 nor 1 but 0.7: what is kept came back as it is")[:2] == (
        "raising",
        "scaling",
    )
    assert kinds_of("DP114", "x was written to")[:2] == ("raising", "writing")
    assert kinds_of("DP001", "the output is float32[64, 4, 3] on cpu")[:2] == ("raising", "departing")
    assert "scaling" not in kinds_of("DP102", "kept 0.5")[:4]


def test_a_block_is_not_blamed_for_computing() -> None:
    assert {"changing", "returning", "writing"} <= set(kinds_of("DP114"))
    assert not {"changing", "returning", "writing"} & set(kinds_of("DP114", block=True))
    assert kinds_of("DP114", block=True)[:2] == ("raising", "not_finite")


def test_what_differs_in_its_configuration_alone_has_the_cause_of_the_one_that_was_explained(
    results: dict[str, Result], facts: Facts
) -> None:
    ids = [trial for trial in results if trial.startswith("DP114[")][:3]
    said = ("keeps 0.5 exactly (rand in bfloat16): x of shape [8, 4], bfloat16, drop_prob 0.5",
            "keeps 0.501 exactly (rand in bfloat16): x of shape [8, 4, 2], float16, drop_prob 0.4, tracked",
            "the output is not x, bit for bit: x of shape [8, 4], bfloat16, drop_prob 0.5")  # fmt: skip
    told = [
        replace(one, verdict=Verdict.failed(said[ids.index(trial)]), snippet="assert False") if trial in ids else one
        for trial, one in results.items()
    ]
    causes = gathered(told, facts, {ids[0]: RATE})
    assert [(one.kind, one.trials) for one in causes] == [("rate", tuple(ids[:2])), (DEFINITION, (ids[2],))]


def test_what_is_broken_in_the_same_way_has_the_same_cause_whatever_its_numbers(
    results: dict[str, Result], facts: Facts
) -> None:
    of = [result for result in results.values() if result.trial.check == "DP102"][:3]
    said = ("kept 0.51 of 100", "kept 0.52 of 99", "raised ValueError")
    told = [replace(one, verdict=Verdict.failed(text)) for one, text in zip(of, said, strict=True)]
    causes = gathered(told, facts, {told[0].trial.id: RATE})
    assert [(one.kind, one.trials) for one in causes] == [
        ("rate", (told[0].trial.id, told[1].trial.id)),
        (DEFINITION, (told[2].trial.id,)),
    ]


def test_what_raises_the_same_is_the_same_mistake_whatever_was_asked(results: dict[str, Result], facts: Facts) -> None:
    said, there = (
        "ValueError: no 0.5 here",
        replace(RATE, kind="raising", sentence="this line raises ValueError: no 1.0 here"),
    )
    told = broken(results, DP001=f"raised {said}", DP002=f"raised {said}", DP114=f"x is 3; raised {said}: x of rank 2",
                  DP004="raised TypeError: another", DP102="kept 0.5")  # fmt: skip
    causes = gathered(told, facts, {first(told, "DP001"): there})
    assert [(one.kind, one.checks) for one in causes] == [
        ("raising", ("DP001", "DP002", "DP114")),
        (DEFINITION, ("DP004",)),
        (DEFINITION, ("DP102",)),
    ]
    assert (causes[1].fix, causes[2].fix) == (raising.FIX, "Mend it.")


def test_the_gravest_come_first_and_what_asks_for_all_at_once_tells_least(
    results: dict[str, Result], facts: Facts
) -> None:
    told = broken(results, DP007="1.5 is accepted", DP114="x is 3", DP201="x is 2")
    found = {first(told, "DP114"): RATE, first(told, "DP201"): RATE}
    causes = gathered(told, facts, found)
    assert [one.level for one in causes] == [Level.MUST, Level.SHOULD]
    assert causes[0].telling == first(told, "DP201")


def test_a_check_asks_kinds_that_exist_its_own_first() -> None:
    from droppath_audit.causes import catalogue as kinds

    for check in catalogue().values():
        asked = kinds_of(check.id)
        assert set(asked) <= set(kinds())
        assert asked[: len(check.causes)] == check.causes
        assert len(set(asked)) == len(asked)
    assert kinds_of("DP114", "two seeds make the same decisions")[:3] == ("changing", "departing", "seeding")


TWO = """
import torch

def layer(x, drop_prob=0.0, training=False):
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - 0.9 * drop_prob  # a rate of its own
    mask = (torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep_prob).to(x.dtype)
    return x / (1.0 - drop_prob) * mask  # nothing divided by zero
"""


def test_two_mistakes_on_two_lines_are_two_causes_with_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "layers.py").write_text(TWO)
    only = [part for one in ("DP102[cpu-float32-p0.5]", "DP103[cpu-float32-p0.5]", "DP301") for part in ("--only", one)]
    asked = [f"{tmp_path / 'layers.py'}:layer", *only, "--effort", "quick", "--json", str(tmp_path / "r.json")]
    monkeypatch.setattr("sys.argv", ["droppath-audit", *asked])
    with pytest.raises(SystemExit):
        main()
    (report,) = json.loads((tmp_path / "r.json").read_text())["reports"]
    found = {cause["line"]: (cause["kind"], cause["checks"]) for cause in report["causes"]}
    assert found == {7: ("rate", ["DP102", "DP103"]), 9: ("not_finite", ["DP301"])}
    out = capsys.readouterr().out
    assert "    >     7      keep_prob = 1.0 - 0.9 * drop_prob  # a rate of its own" in out
    broken = [result["trial"] for result in report["results"] if result["verdict"] in ("fail", "error")]
    assert sorted(broken) == sorted(trial for cause in report["causes"] for trial in cause["trials"])
