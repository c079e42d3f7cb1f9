"""What another sample holds: seen where a seed fixes the masks, and where none does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.case import DtypeCase
from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load_object


def masked(x, kept, drop_prob):
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.where(torch.as_tensor(kept).view(shape), x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def unseeded(x, drop_prob, training):
    """Draw from a generator that nothing seeds."""
    return masked(x, GENERATOR.random(x.shape[0]) < 1.0 - drop_prob, drop_prob) if training and drop_prob else x


GENERATOR = np.random.default_rng(7)


def look(target, dtype="float32", seed=0):
    probe = LiveProbe(
        load_object(target, {}).target, DtypeCase(dtype=dtype, effort=EFFORTS["quick"]), np.random.default_rng(seed)
    )
    return catalogue()["DP207"].collect(probe)


def holds_nan(x):
    return torch.isnan(x).reshape(x.shape[0], -1).any(dim=1).numpy()


def test_masks_that_no_seed_fixes_are_judged_by_their_law():
    seen = look(unseeded)
    assert not seen.repeatable
    assert not seen.changed


@pytest.mark.parametrize(("fate", "kept"), [("all kept", True), ("all dropped", False)])
def test_one_fate_of_all_that_hold_nan_is_seen_without_a_seed(fate, kept):
    def target(x, drop_prob, training):
        if not training or drop_prob == 0.0:
            return x
        decisions = GENERATOR.random(x.shape[0]) < 1.0 - drop_prob
        return masked(x, np.where(holds_nan(x), kept and drop_prob < 1.0, decisions), drop_prob)

    assert look(target).changed == fate


def test_a_batch_that_is_spoilt_is_seen_without_a_seed():
    def target(x, drop_prob, training):
        y = unseeded(x, drop_prob, training)
        return y if not training or drop_prob == 0.0 else y + 0 * x.sum()

    assert look(target).changed == "law"


def test_what_breaks_its_law_without_the_other_sample_as_well_is_no_fault_of_that():
    def target(x, drop_prob, training):
        return unseeded(x, drop_prob, training) * (0.5 if training else 1.0)

    assert not look(target).changed


def test_nan_of_the_sample_itself_is_no_fault():
    def target(x, drop_prob, training):
        if not training or drop_prob == 0.0:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * (torch.rand(shape) < 1.0 - drop_prob).to(x.dtype) / ((1.0 - drop_prob) or 1.0)

    for dtype in ("float64", "float32", "float16", "bfloat16"):
        assert not look(target, dtype).changed


def test_one_decision_a_call_is_compared_as_well():
    def target(x, drop_prob, training):
        if not training or drop_prob == 0.0 or not bool(torch.isfinite(x).all()):
            return x
        return x * float(torch.rand(()) < 1.0 - drop_prob) / ((1.0 - drop_prob) or 1.0)

    report = audit(target, granularity="batch", only=("DP207",), effort="quick")
    assert len(report.findings) == report.counts["run"]


def test_what_decides_by_another_ordinary_value_is_found():
    def target(x, drop_prob, training):
        if not training or drop_prob == 0.0:
            return x
        u = (torch.rand(x.shape[0], dtype=torch.float64) + x.double().abs().sum().item() % 1.0) % 1.0
        return masked(x, u < 1.0 - drop_prob, drop_prob)

    report = audit(target, only=("DP207",), effort="quick")
    assert len(report.findings) == report.counts["run"]
