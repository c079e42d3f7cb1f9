"""Who is asked to keep the class of x, and who is not."""

from __future__ import annotations

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def scripted(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    if not training or drop_prob == 0.0:
        return x
    mask = torch.rand([x.shape[0]] + [1] * (x.dim() - 1)) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / (1.0 - drop_prob if drop_prob < 1.0 else 1.0)


def judged(target, **items):
    (result,) = audit(target, only=("DP010",), effort="quick", **items).results
    return result.outcome.value, result.is_finding(strict=False), result.verdict.observed


@pytest.mark.parametrize("form", ["branch", "residual"])
def test_the_reference_keeps_it(form):
    assert judged(DropPath, form=form)[0] == "pass"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # scripting is deprecated
def test_scripted_code_which_sees_no_subclass_is_not_asked():
    outcome, _, observed = judged(torch.jit.script(scripted))
    assert outcome == "not-applicable"
    assert "scripted" in observed


def test_a_lost_class_is_a_broken_should_and_named():
    def target(x, drop_prob, training):
        return torch.Tensor(DropPath(drop_prob).train(training)(x).detach().numpy()) if training else x

    outcome, must, observed = judged(target)
    assert (outcome, must) == ("fail", False)
    assert "gave a torch.Tensor" in observed
