from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import droppath_audit
from droppath_audit.core.case import Case
from droppath_audit.core.level import Level
from droppath_audit.core.result import Result
from droppath_audit.core.trial import Trial
from droppath_audit.core.verdict import Verdict
from tools.comparison import measure
from tools.comparison.measure import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIAL = Trial("DP103", "exact-keep-probability", Level.MUST, Case())
LITTLE, MUCH = (Result(TRIAL, Verdict.failed("off", level=level)) for level in (Level.SHOULD, None))


@pytest.mark.parametrize(("results", "level"), [([LITTLE], "SHOULD"), ([LITTLE, MUCH], "MUST")])
def test_a_layer_is_rejected_at_the_level_of_the_verdict_and_not_of_the_check(
    results: list[Result], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SimpleNamespace(results=results, open=())
    monkeypatch.setattr(droppath_audit, "audit", lambda *_, **__: report, raising=False)
    assert measure._audited("spec", "quick", 0) == (level, TRIAL.id, 0)


def test_judgements_are_named_by_the_code_that_was_there_when_the_run_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["before"]

    def run(waiting: list[measure._Work], processes: int) -> Iterator[Judgement]:
        there[0] = "edited"
        for work in waiting:
            for judge, seed in work.missing:
                yield Judgement(
                    work.layer, judge, seed, "", "", 0, 1.0, 1.0, measure._code(with_rules=judge != "quick")
                )

    monkeypatch.setattr(measure, "layers", lambda: {"sound: reference": ""})
    monkeypatch.setattr(measure, "digest", lambda *paths: there[0])
    monkeypatch.setattr(measure, "_code", cache(measure._code.__wrapped__))
    monkeypatch.setattr(measure, "_run", run)
    measure.measure(tmp_path / "judgements.jsonl", ("quick",), 1, 1)
    found = measure.read(tmp_path / "judgements.jsonl")
    assert len(found) == len(measure.tasks(("quick",), 1))
    assert {row.digest for row in found} == {"before"}


def test_a_digest_is_that_of_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "layers"
    folder.mkdir()
    (folder / "sound.py").write_text("x", encoding="utf-8")
    whole, alone = measure.digest(folder), measure.digest(folder / "sound.py")
    (folder / "other.py").write_text("y", encoding="utf-8")
    assert measure.digest(folder) != whole
    assert measure.digest(folder / "sound.py") == alone
    (folder / "sound.py").write_text("z", encoding="utf-8")
    assert measure.digest(folder / "sound.py") != alone
