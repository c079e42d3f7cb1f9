from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.mutants import mutants
from tools.comparison.detection import (
    BIASES,
    VectorisedCertificate,
    bias_of_curve,
    bias_seen,
    certificate,
    certificate_power,
)
from tools.comparison.measure import Judgement, layers
from tools.comparison.page import page
from tools.rivals import rules


@pytest.mark.parametrize("effort", ["quick", "standard"])
@pytest.mark.parametrize("keep_prob", [0.5, 0.9, 0.998])
def test_the_certificate_for_many_counts_says_what_the_certificate_says(effort, keep_prob):
    rule = certificate(effort, keep_prob)
    vectorised = VectorisedCertificate(rule)
    rng = np.random.default_rng(1)
    outcomes = set()
    for share in (0.02, 0.2, 0.6, 0.95):
        decisions = int(share * rule.cap)
        spread = 6.0 * max(rule.resolution, (keep_prob * (1.0 - keep_prob) / decisions) ** 0.5)
        kept = np.clip(decisions * (keep_prob + spread * rng.uniform(-1, 1, 200)), 0, decisions).astype(np.int64)
        fails, passes = vectorised.fails(kept, decisions), vectorised.passes(kept, decisions)
        for count, fail, passed in zip(kept, fails, passes, strict=True):
            expected = rule.outcome(int(count), decisions)
            assert expected == ("fail" if fail else "pass" if passed else "open")
            outcomes.add(expected)
    assert outcomes == {"fail", "pass", "open"}


def test_the_certificate_fails_what_is_twice_its_resolution_away_and_passes_what_is_right():
    # A false pass at δ has probability 1e-3 at most and hardly any at 2 δ; a false alarm 6e-11.
    assert certificate_power("quick", 0.01, runs=100) == 1.0
    assert certificate_power("quick", -0.01, runs=100) == 1.0
    assert certificate_power("quick", 0.0, runs=100) == 0.0


def test_the_bias_seen_is_where_power_stays_above_what_is_wanted():
    assert bias_seen(lambda bias: float(abs(bias) >= 0.02), 1) == pytest.approx(0.02, rel=1e-4)
    assert bias_seen(lambda bias: 0.0 if bias < 0 else 1.0, 1) == BIASES[0]
    assert bias_seen(lambda bias: 0.0 if bias < 0 else 1.0, -1) is None
    curve = [0.0] * 10 + [1.0] * (len(BIASES) - 10)
    assert BIASES[9] < bias_of_curve(curve) < BIASES[10]


def judged(layer, judge, rejected):
    return Judgement(layer, judge, 0, rejected, "", 0, 1.0, 1.0, "")


def test_the_page_counts_what_was_judged():
    rows = []
    for layer in ("sound: reference", "first", "second", "third"):
        rows += [judged(layer, rule.name, "-" if rule.name == "torchvision batch" else "") for rule in rules()]
    rows += [judged("sound: reference", "quick", ""), judged("first", "quick", "MUST")]
    rows += [judged("second", "quick", "SHOULD"), judged("third", "quick", "")]
    rows = [row if (row.layer, row.judge) != ("third", "timm") else judged("third", "timm", "yes") for row in rows]
    text = page(rows, tuple(rule for rule in rules() if rule.name in ("timm", "mmcv")), {})
    assert "| **this suite, quick** | 1 | 3 | 0 | 1, 0 | 1.0 | 1.0 |" in text
    assert "| timm | 1 | 3 | 0 |  | 1.0 | 1.0 |" in text
    assert "2 of 3 are seen by this suite and rejected by none of the others; 1 the other way round: third." in text
    assert "| first | x | . |" in text
    assert "| **this suite, quick** | at most 1e-06 | 0 of 1 |" in text


def test_every_mutant_and_four_sound_layers_are_subjects():
    assert set(mutants()) <= set(layers())
    assert len(layers()) == len(mutants()) + 4
