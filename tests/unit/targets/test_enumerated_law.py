"""Every sound calling convention has the exact law that it was asked for, and sampling agrees."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from droppath_audit.core.case import Cell
from droppath_audit.core.effort import EFFORTS
from droppath_audit.exact.enumeration import enumerate_mask
from droppath_audit.probes.certifying import certificate_for
from droppath_audit.probes.live import LiveProbe

ALPHA = 1e-9  # of one comparison: at most that probability of a false alarm, a hundred times


def test_the_certificates_interval_contains_the_enumerated_keep_probability(loaded) -> None:
    if loaded.target.binding.arrangement.batch > 1:
        pytest.skip("its batches are filled up, so that a call draws for other samples as well")
    case = Cell("cpu", "bfloat16", 0.3, dialect=loaded.facts.dialect, effort=EFFORTS["thorough"])
    with loaded.target.framework.scope():
        probe = LiveProbe(loaded.target, case, np.random.default_rng(0), None)
        law = enumerate_mask(probe).law(case)
        loaded.target.framework.seed(20_160_330)
        (counts,) = probe.frequencies({0.3: 1000 if law.unit == "call" else 2**16})
    assert abs(law.keep_prob - (1 - Fraction(0.3))) <= Fraction(1, 2**23)
    low, high = certificate_for(case, ALPHA).interval(counts.kept, counts.decisions)
    assert low <= law.keep_prob <= high
    assert high - low < (0.25 if law.unit == "call" else 0.04)
