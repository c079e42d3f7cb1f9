from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.checks import catalogue
from droppath_audit.checks.dp203_mean_preservation import Seen
from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.counting import Counts


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_without_a_kept_decision_there_is_no_factor_to_judge(dtype: str) -> None:
    # 1/q is no float: rounded to bfloat16 it is exactly 500, unrounded it lies outside of what rounding allows.
    cell = Cell("cpu", dtype, 0.998, effort=EFFORTS["quick"], dialect=Dialect(granularity="batch"))

    def outcome(kept: int, *values: float) -> Outcome:
        seen = Seen(Counts(decisions=513, kept=kept, kept_values=values), None)
        return catalogue()["DP203"].judge(seen, cell, 1e-10).outcome

    assert outcome(0) is not Outcome.FAIL
    assert outcome(1, 496.0) is Outcome.FAIL
    assert outcome(1, 500.0) is not Outcome.FAIL


def test_a_subset_that_is_scaled_by_its_own_share_has_the_mean_of_x() -> None:
    cell, batch, kept = Cell("cpu", "float32", 0.002), 65_536, 65_404  # 0.998 of it is 65404.9

    def outcome(short: int) -> Outcome:
        counts = Counts(64 * batch, 64 * kept - short, kept_values=(float(np.float32(batch / kept)),))
        return catalogue()["DP203"].judge(Seen(counts, None), cell, 1e-10).outcome

    assert outcome(0) is not Outcome.FAIL
    assert outcome(64) is Outcome.FAIL  # the same factor, and another mean
