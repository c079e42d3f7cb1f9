"""What an audit with ``benchmark`` says of time, memory and work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def judged(target, check, **items):
    report = audit(target, only=(check,), effort="quick", benchmark=True, **items)
    return report.results[0].outcome.value, report.results[0].verdict.observed


def layer(apply):
    """Return a layer of a function of x, mask and keep_prob."""

    def target(x: torch.Tensor, drop_prob: float, training: bool):
        if not training or drop_prob == 0.0:
            return x
        mask = (torch.rand((len(x),) + (1,) * (x.ndim - 1), dtype=torch.float64) >= drop_prob).to(x.dtype)
        return apply(x, mask, (1.0 - drop_prob) or 1.0)

    return target


def test_a_division_before_the_product_is_a_second_pass_and_no_fault():
    outcome, observed = judged(layer(lambda x, mask, q: x.div(q) * mask), "DP802")
    assert outcome == "pass"
    assert "2 of 5 operations write something of the size of x (div, mul); at most 2.08 times x" in observed


def test_what_is_written_where_it_stands_is_one_buffer():
    outcome, observed = judged(layer(lambda x, mask, q: (x * mask).div_(q)), "DP802")
    assert (outcome, "(mul, div_)" in observed, "at most 1." in observed) == ("pass", True, True)


@pytest.mark.parametrize(
    "apply",
    [
        lambda x, mask, q: x * (mask / q).expand_as(x).clone(),
        lambda x, mask, q: x * (torch.ones_like(x) * mask) / q,
        lambda x, mask, q: torch.where(mask > 0, x, torch.zeros_like(x)) / q,
        lambda x, mask, q: x * torch.empty_like(x).copy_(mask / q),
    ],
    ids=["cloned", "of ones", "zeros", "copied into"],
)
def test_a_mask_of_full_size_is_told_however_it_is_made(apply):
    outcome, observed = judged(layer(apply), "DP802")
    assert outcome == "fail"
    assert "as large as x, and holds nothing of it: float32[512, 12]" in observed


@pytest.mark.parametrize("granularity", ["sample", "batch", "element"])
def test_a_mask_of_full_size_is_one_of_elements(granularity):
    assert judged(DropPath, "DP802", granularity=granularity)[0] == "pass"


def test_a_loop_over_those_that_are_kept_is_a_loop():
    def apply(x, mask, q):
        y = x * 0
        for number in mask.flatten().nonzero().flatten().tolist():
            y[number] = x[number] / q
        return y

    def steady(x: torch.Tensor, drop_prob: float, training: bool):
        return layer(apply)(x, drop_prob, training)

    outcome, observed = judged(steady, "DP802")
    assert (outcome, "a loop over the samples" in observed) == ("fail", True)
    assert "waited for by nonzero" in observed


class Skips(nn.Module):
    """Run the branch on the samples that are kept."""

    def __init__(self, branch: nn.Module, drop_prob: float) -> None:
        super().__init__()
        self.branch, self.drop_prob = branch, drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop_prob == 0.0:
            return x + self.branch(x)
        kept = (torch.rand(len(x), dtype=torch.float64) >= self.drop_prob).nonzero().flatten()
        return x.index_add(0, kept, self.branch(x[kept]) / ((1.0 - self.drop_prob) or 1.0))


def test_the_share_of_the_branch_that_is_computed_is_that_which_is_kept():
    # 4,096 samples: the share is off by 0.04 with probability 3e-7.
    outcome, observed = judged(Skips, "DP804", form="residual", call="(r)")
    share = float(observed.split()[5])
    assert outcome == "pass"
    assert abs(share - 0.5) < 0.04
    assert judged(DropPath, "DP804")[1].startswith("1 of the branch")


def test_times_are_told_with_all_that_is_compared():
    outcome, observed = judged(DropPath, "DP801")
    assert outcome == "pass"
    for name in ("× reference", "× timm's rule", "× bare multiply", "forward and backward of [16, 197, 192]"):
        assert name in observed
    assert judged(Skips, "DP801", form="residual", call="(r)")[0] == "not-applicable"
