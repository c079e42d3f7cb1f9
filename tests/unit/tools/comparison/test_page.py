from __future__ import annotations

import json
from dataclasses import asdict

from tools.comparison import measure
from tools.comparison.measure import Judgement, complete
from tools.comparison.page import page
from tools.rivals import rules

MUTANTS = {"seen_by_us": "", "seen_by_all": "", "seen_by_them": "", "waits": ""}


def judgement(layer: str, judge: str, rejected: str, digest: str = "now") -> Judgement:
    return Judgement(layer, judge, 0, rejected, "", 0, 1.0, 2.0, digest)


def judged(*standard: str) -> list[Judgement]:
    rows = [judgement("seen_by_us", "quick", "MUST"), judgement("seen_by_all", "quick", "MUST")]
    rows += [judgement("seen_by_them", "quick", ""), judgement("sound: reference", "quick", "")]
    for rule in rules():
        rows += [judgement(name, rule.name, "yes") for name in ("seen_by_all", "seen_by_them")]
        rows += [judgement(name, rule.name, "") for name in ("seen_by_us", "sound: reference")]
    return [*rows, *(judgement(name, "standard", "MUST") for name in standard)]


def line(text: str, start: str) -> list[str]:
    (found,) = [row for row in text.splitlines() if row.startswith(f"| {start} |")][-1:]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_an_effort_that_faced_some_of_the_layers_counts_those() -> None:
    text = page(judged("seen_by_us"), (), {})
    (ours,) = [row for row in text.splitlines() if row.startswith("| **this suite, standard** | 1 ")]
    assert [cell.strip() for cell in ours.split("|")][2:5] == ["1", "1", "2"]
    assert line(text, "seen_by_us")[1:3] == ["x", "x"]
    assert line(text, "seen_by_them")[1:3] == [".", "-"]
    assert (
        "1 of 3 are seen by this suite and rejected by none of the others; 1 the other way round: seen_by_them" in text
    )


def test_a_layer_is_on_the_page_once_the_first_effort_and_every_rule_have_judged_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(measure, "layers", lambda: {"sound: reference": "", **MUTANTS})
    monkeypatch.setattr(measure, "_code", lambda with_rules: "now")
    file = tmp_path / "judgements.jsonl"
    rows = [*judged("seen_by_us", "waits"), judgement("seen_by_us", "standard", "", digest="before")]
    file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
    found = complete(file, ("quick", "standard"), 1)
    assert {row.layer for row in found} == {"sound: reference", "seen_by_us", "seen_by_all", "seen_by_them"}
    assert [row.rejected for row in found if row.judge == "standard"] == ["MUST"]


def test_a_longer_effort_faces_a_fair_sample(tmp_path, monkeypatch) -> None:
    everyone = {"sound: reference": "", **{f"mutant {number}": "" for number in range(40)}}
    monkeypatch.setattr(measure, "layers", lambda: everyone)
    monkeypatch.setattr(measure, "_code", lambda with_rules: "now")
    monkeypatch.setattr(measure, "judgement", lambda name, spec, judge, seed: judgement(name, judge, ""))
    file = tmp_path / "judgements.jsonl"
    measure.measure(file, ("quick", "standard", "thorough"), 0, 2, {"thorough": 11})
    faced = {judge: {row.layer for row in rows} for judge, rows in measure.by_judge(measure.read(file))}
    assert faced["quick"] == faced["standard"] == set(everyone)
    assert len(faced["thorough"]) == 11
    assert "sound: reference" in faced["thorough"]
    numbers = [int(name.split()[1]) for name in faced["thorough"] - {"sound: reference"}]
    # One half of 40 mutants holds all ten with probability 4e-4: an order that goes from one end does.
    assert min(numbers) < 20 <= max(numbers)
