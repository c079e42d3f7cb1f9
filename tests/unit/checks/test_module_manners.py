"""What is asked of a layer beside its calls, and of whom it is not asked."""

from __future__ import annotations

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def manners(target, **items):
    (result,) = audit(target, only=("DP008",), effort="quick", **items).results
    return result.outcome.value, result.verdict.observed


def test_the_reference_is_asked_for_all_of_it():
    outcome, observed = manners(DropPath)
    assert outcome == "pass"
    for asked in ("deepcopy", "pickle", "train() and eval()", "hooks"):
        assert asked in observed


def test_what_is_no_module_is_not_asked_for_hooks():
    class Plain:
        def __init__(self, drop_prob):
            self.drop_prob, self.training = drop_prob, True

        def train(self):
            self.training = True

        def eval(self):
            self.training = False

        def __repr__(self):
            return f"Plain({self.drop_prob})"

        def __call__(self, x):
            if not self.training or self.drop_prob == 0.0:
                return x
            mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64) < 1.0 - self.drop_prob
            return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - self.drop_prob) or 1.0)

    outcome, observed = manners(Plain)
    assert outcome == "pass"
    assert "hooks" not in observed


@pytest.mark.parametrize("training", [True, False])
def test_a_copy_in_another_mode_is_found_however_the_copy_was_asked(training):
    class Copies(DropPath):
        def __deepcopy__(self, memo):
            return DropPath(self.drop_prob).train(training)

    outcome, observed = manners(Copies)
    assert outcome == "fail"
    assert ("in evaluation trains" if training else "in training drops nothing") in observed
