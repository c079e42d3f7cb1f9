from __future__ import annotations

from types import SimpleNamespace

import pytest

import droppath_audit
from droppath_audit.core.case import Case
from droppath_audit.core.level import Level
from droppath_audit.core.result import Result
from droppath_audit.core.trial import Trial
from droppath_audit.core.verdict import Verdict
from tools.comparison import measure

TRIAL = Trial("DP103", "exact-keep-probability", Level.MUST, Case())
LITTLE, MUCH = (Result(TRIAL, Verdict.failed("off", level=level)) for level in (Level.SHOULD, None))


@pytest.mark.parametrize(("results", "level"), [([LITTLE], "SHOULD"), ([LITTLE, MUCH], "MUST")])
def test_a_layer_is_rejected_at_the_level_of_the_verdict_and_not_of_the_check(
    results: list[Result], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SimpleNamespace(results=results, open=())
    monkeypatch.setattr(droppath_audit, "audit", lambda *_, **__: report, raising=False)
    assert measure._audited("spec", "quick", 0) == (level, TRIAL.id, 0)
