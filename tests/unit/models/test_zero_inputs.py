"""A layer whose input is always zero: nothing is seen of it, which ends the search and is told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from droppath_audit.checks import check
from droppath_audit.checks.models.dp902_survival_by_layer import Layer, Seen, _settled
from droppath_audit.core.cause import Place
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome

QUICK = EFFORTS["quick"]
BLIND = Layer("blocks.1.drop_path", Place(), 0.5, silent=5000)
SEEING = Layer("blocks.0.drop_path", Place(), 0.5, kept=4096, decisions=8192, first_kept=512, first=1024)


def test_it_is_settled_after_as_many_samples_as_were_planned_twice() -> None:
    probe = SimpleNamespace(at=SimpleNamespace(effort=QUICK), alpha=1e-7)
    assert _settled(BLIND, probe, 2, by_pass=False)
    assert not _settled(Layer("blocks.1.drop_path", Place(), 0.5, silent=100), probe, 2, by_pass=False)


def test_it_is_told_and_counts_with_none() -> None:
    seen = Seen((SEEING, BLIND), 1.0, 0.5, 8192, by_pass=False)
    verdict = check("DP902").judge(seen, SimpleNamespace(effort=QUICK), 1e-7)
    assert verdict.outcome is not Outcome.FAIL
    assert "1 calls within" in verdict.observed
    assert "what reaches blocks.1.drop_path is zero" in verdict.observed
    assert np.isfinite(verdict.p_value)
