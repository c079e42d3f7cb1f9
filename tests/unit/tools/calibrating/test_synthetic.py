"""The synthetic target obeys the law, answers consistently however it is asked, and would be caught if it did not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.base import Count
from tools.calibrating import synthetic
from tools.calibrating.alarms import SyntheticAudits, statistical, synthetic_audits


@pytest.fixture
def target():
    made = synthetic.synthetic().target
    made.framework.seed(0)
    return made


@pytest.mark.parametrize("count_first", [False, True])
@pytest.mark.parametrize("drop_prob", [0.3, 0.998, 1.0])
def test_counts_values_and_tensors_of_one_output_agree(target, drop_prob, count_first):
    framework, layer = target.framework, target.make(drop_prob)
    x = framework.ones((1000, 1, 2), "bfloat16", "cpu")
    for _ in range(20):
        y = layer(x, training=True)
        value = float(torch.tensor(1.0, dtype=torch.bfloat16) / (1.0 - drop_prob)) if drop_prob < 1.0 else 0.0
        if count_first:
            framework.count([y], 1.0)
        values = framework.numpy(y)
        kept = int(np.count_nonzero(values))
        assert values.shape == (1000, 1, 2)
        assert set(np.unique(values)) <= {0.0, value}
        assert np.array_equal(values[:, 0, 0], values[:, 0, 1])
        assert framework.count([y], value) == Count(kept, 2000 - kept, 0)
        assert framework.first_nonzero(y) == (value if kept else 0.0)
        assert framework.info(y) == framework.info(x) == framework.info(y.tensor())
        assert np.array_equal(framework.numpy(y.tensor()), values)
        # Operations without a shortcut.
        seen, two = y.tensor(), framework.tensor(np.full((1000, 1, 2), 2.0), "bfloat16", "cpu")
        assert framework.bits(y).size == 4000
        assert torch.equal(framework.add(y, two), framework.add(two, y))
        assert torch.equal(framework.add(y, y), framework.multiply(y, two))
        assert torch.equal(framework.rows(y, [3, 1]), seen[[3, 1]])
        assert not framework.zeros_like(y).any()
        assert framework.strides(y) == framework.strides(x)
        assert framework.version(y) == 0
        assert not framework.tracked(y)


def test_another_value_than_the_kept_one_counts_as_other(target):
    x = target.framework.ones((1000, 1), "float32", "cpu")
    y = target.make(0.5)(x, training=True)
    kept = target.framework.count([y], 2.0).kept
    assert 400 < kept < 600
    assert target.framework.count([y], 1.0) == Count(0, 1000 - kept, kept)


@pytest.mark.parametrize("count_first", [False, True])
def test_masks_have_the_law_of_independent_decisions(target, count_first):
    from scipy.stats import chisquare

    x = target.framework.ones((3, 1), "float64", "cpu")
    layer = target.make(0.3)
    patterns = np.zeros(8)
    for _ in range(20_000):
        y = layer(x, training=True)
        if count_first:
            target.framework.count([y], 1.0)
        patterns[int(y.mask @ np.array([4, 2, 1]))] += 1
    ones = np.array([bin(pattern).count("1") for pattern in range(8)])
    expected = 20_000 * 0.7**ones * 0.3 ** (3 - ones)
    # Size 1e-4 under one fixed seed; a pattern that is off by a tenth has a non-centrality of 20 to 70.
    assert chisquare(patterns, expected).pvalue > 1e-4


def test_other_inputs_are_answered_as_tensors(target):
    x = target.framework.tensor(np.arange(1.0, 9.0).reshape(4, 2), "float32", "cpu")
    y = target.make(0.5)(x, training=True)
    assert isinstance(y, torch.Tensor)
    assert set((y / x).flatten().tolist()) <= {0.0, 2.0}
    assert target.make(0.5)(x, training=False) is x


def test_seeds_fix_the_masks_and_what_is_not_its_law_does_not_apply(target):
    layer, x = target.make(0.5), target.framework.ones((64, 1), "float32", "cpu")
    target.framework.seed(7)
    first = layer(x, training=True).mask
    with target.framework.scope():
        target.framework.seed(7)
        assert np.array_equal(layer(x, training=True).mask, first)
    with pytest.raises(NotApplicable, match="has no copied"):
        layer.copied("deepcopy")


def test_audits_of_it_raise_no_alarm_and_of_a_biased_one_do(monkeypatch):
    def once():
        found = synthetic_audits(SyntheticAudits([0], 0.01, statistical()))
        assert tuple(found) == statistical()
        return {check: audit for check, (audit,) in found.items()}

    audits = once()
    assert all(audit["alarms"] == audit["open"] == [] for audit in audits.values())
    assert sum(len(audit["p"]) for audit in audits.values()) > 100

    def biased(self, x, *, training):
        return synthetic.Output(x, (1.0 - self._drop_prob) * 0.97, self._framework.rng)

    monkeypatch.setattr(synthetic.SyntheticLayer, "__call__", biased)
    assert {check for check, audit in once().items() if audit["alarms"]} >= {"DP101", "DP102"}
