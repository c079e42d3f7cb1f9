from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from droppath_audit.checks import catalogue
from droppath_audit.checks.dp105_batch_counts import Seen, _extreme
from droppath_audit.core.case import Cell
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome

ALPHA = 6e-11


@pytest.mark.parametrize("kept", range(1, 9))
def test_the_bound_for_the_fullest_and_the_emptiest_batch_holds_exactly(kept):
    """Of independent decisions all arrangements of the kept ones are as likely: P(p <= t) <= t for every t."""
    p_values = []
    for where in combinations(range(9), kept):
        counts = np.bincount(np.array(where) // 3, minlength=3)  # three batches of three
        p_values.append(_extreme(Seen(tuple(np.bincount(counts, minlength=4).tolist())))[1])
    ordered = np.sort(p_values)
    assert all((ordered <= p).mean() <= p + 1e-12 for p in ordered)


def judged(histogram):
    return catalogue()["DP105"].judge(Seen(tuple(histogram)), Cell(effort=EFFORTS["quick"]), ALPHA)


def usual():
    """Return the histogram that is closest to what is expected of 4096 batches."""
    return np.round(4096 * binom.pmf(np.arange(65), 64, 0.5)).astype(int).tolist()


def test_one_batch_that_is_kept_whole_is_a_proof():
    assert judged(usual()).outcome is Outcome.PASS
    histogram = usual()
    histogram[64] += 1
    verdict = judged(histogram)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.observed.startswith(f"1 of {sum(histogram)} batches of 64 kept 64, p = 4")


def test_so_is_one_that_is_dropped_whole():
    histogram = usual()
    histogram[0] += 1
    assert judged(histogram).outcome is Outcome.FAIL
