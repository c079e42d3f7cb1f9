"""The exact law of the standard grid, all dtypes: under 3 s for the two families that most layers belong to."""

from __future__ import annotations

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.grid import DROP_PROBS, DTYPES
from droppath_audit.core.trial import Trial
from droppath_audit.mutants import mutants
from droppath_audit.run.driving import InProcess
from droppath_audit.targets.loader import load

SECONDS = 3.0


@pytest.mark.parametrize("name", ["floor_mask", "active_in_evaluation"])  # floor(keep_prob + rand), and bernoulli_
def test_the_law_of_the_standard_grid(benchmark, name):
    loaded, check = load(mutants()[name]), catalogue()["DP103"]
    cells = [Cell("cpu", dtype, p, dialect=loaded.facts.dialect) for dtype in DTYPES for p in DROP_PROBS]
    trials = [Trial(check.id, check.slug, check.level, case) for case in cells]
    benchmark.pedantic(lambda: list(InProcess(loaded).collect(trials)), rounds=3)
    assert benchmark.stats.stats.max <= SECONDS
