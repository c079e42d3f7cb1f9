from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.probes.patterns import counts_of_patterns, probabilities_of_patterns


def test_windows_are_disjoint_and_read_from_the_left():
    masks = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 0]], dtype=bool)
    assert counts_of_patterns(masks, 2) == tuple(
        sum(pair == (a, b) for row in masks.tolist() for pair in zip(row[::2], row[1::2], strict=True))
        for a in (False, True)
        for b in (False, True)
    )
    assert counts_of_patterns(masks, 4)[0b1011] == 1
    assert counts_of_patterns(masks, 4)[0b0010] == 1
    assert sum(counts_of_patterns(masks, 4)) == 2  # what does not fill a window is left out


def test_no_window_at_all():
    assert counts_of_patterns(np.ones((5, 3), dtype=bool), 4) == (0,) * 16


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_probabilities_are_those_of_independent_decisions_kept_as_often(share):
    independent = [share ** p.bit_count() * (1 - share) ** (4 - p.bit_count()) for p in range(16)]
    counts = np.array([round(4**4 * p) for p in independent])
    assert probabilities_of_patterns(counts) == pytest.approx(independent, rel=1e-12)
