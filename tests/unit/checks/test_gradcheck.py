from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load


@pytest.mark.parametrize(
    "name",
    [
        "checkpointing:seeds_from_the_clock",
        "checkpointing:DropsInTurns",
        "dependence:alternates_with_its_complement",
        "threads:SeedsByProcess",
    ],
)
def test_masks_that_no_seed_fixes_are_never_taken_for_fixed_ones(name):
    """Eight samples at drop_prob 0.1 are alike in one pair of calls in five; no root seed may hang on that."""
    target, check = load(f"droppath_audit.mutants.{name}").target, catalogue()["DP402"]
    for case in check.cases("cpu", EFFORTS["quick"]):
        if case.drop_prob in (0.0, 1.0):
            continue
        case = dataclasses.replace(case, dialect=target.dialect)
        for seed in range(20):
            with pytest.raises(NotApplicable, match="does not fix the mask"):
                check.collect(LiveProbe(target, case, np.random.default_rng(seed)))
