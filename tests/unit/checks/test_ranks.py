"""What four ranks of a process group decide, by the policy that is declared."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.distributed as dist

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.verdict import Outcome
from droppath_reference.drop_path import drop_path


def found(target, **items):
    (result,) = audit(target, only=("DP708",), effort="quick", **items).results
    return result.verdict


def broadcast(x, drop_prob, training):
    """Draw on the first of a pair, and send the mask to the second."""
    if not training or drop_prob == 0.0:
        return x
    mask = (torch.rand(x.shape[0]) >= drop_prob).float()
    if dist.is_initialized():
        pairs = [dist.new_group([one, one + 1]) for one in range(0, dist.get_world_size(), 2)]
        dist.broadcast(mask, dist.get_rank() // 2 * 2, group=pairs[dist.get_rank() // 2])
    return x * mask.view(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def broadcast_to_all(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    mask = (torch.rand(x.shape[0]) >= drop_prob).float()
    if dist.is_initialized():
        dist.broadcast(mask, 0)
    return x * mask.view(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def kept_where_either_keeps(x, drop_prob, training):
    """Agree in a pair by the maximum of its masks."""
    if not training or drop_prob == 0.0:
        return x
    mask = (torch.rand(x.shape[0]) >= drop_prob).float()
    if dist.is_initialized():
        pairs = [dist.new_group([one, one + 1]) for one in range(0, dist.get_world_size(), 2)]
        dist.all_reduce(mask, dist.ReduceOp.MAX, group=pairs[dist.get_rank() // 2])
    return x * mask.view(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def shifted_by_pair(x, drop_prob, training):
    """Draw alike on all ranks, and leave out the numbers of the pairs before."""
    if not training or drop_prob == 0.0:
        return x
    pair = dist.get_rank() // 2 if dist.is_initialized() else 0
    numbers = torch.rand(2, x.shape[0])[pair]
    return x * (numbers >= drop_prob).float().view(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def antithetic(x, drop_prob, training):
    """Drop on one pair what the other keeps, where both have one seed."""
    if not training or drop_prob == 0.0:
        return x
    numbers = torch.rand(x.shape[0])
    if dist.is_initialized() and dist.get_rank() >= 2:
        numbers = 1.0 - numbers
    return x * (numbers >= drop_prob).float().view(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


def stalls(x, drop_prob, training):
    if dist.is_initialized() and dist.get_rank() == 3:
        raise RuntimeError("out of luck")
    return drop_path(x, drop_prob, training)


def mask_that_begins_like_a_refusal(x, drop_prob, training):
    """Keep the same samples everywhere: the first eight decisions are the bits of the byte of an exclamation mark."""
    if not training or drop_prob == 0.0:
        return x
    bits = torch.tensor([0, 0, 1, 0, 0, 0, 0, 1]).repeat(x.shape[0] // 8 + 1)[: x.shape[0]]
    return x * bits.view(-1, *[1] * (x.ndim - 1))


def on_arrays(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    mask = np.random.random(len(x)) >= drop_prob
    return x * mask.reshape(-1, *[1] * (x.ndim - 1)) / ((1.0 - drop_prob) or 1.0)


@pytest.mark.parametrize(
    ("layer", "across"), [(drop_path, "seeds"), (broadcast, "pairs"), (shifted_by_pair, "pairs-of-one-seed")]
)
def test_a_layer_that_keeps_its_policy_passes(layer, across):
    assert found(layer, across=across).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("layer", "across", "observed"),
    [
        (drop_path, "pairs", "decide differently"),
        (drop_path, "pairs-of-one-seed", "correlation +1.0000"),
        (shifted_by_pair, "pairs", "decide differently"),
        (broadcast, "pairs-of-one-seed", "correlation +1.0000"),
        (broadcast_to_all, "seeds", "correlation +1.0000"),
        (broadcast_to_all, "pairs", "correlation +1.0000"),
        (antithetic, "pairs-of-one-seed", "correlation -1.0000"),
        (kept_where_either_keeps, "pairs", "as ranks, they kept 98,"),
        (mask_that_begins_like_a_refusal, "seeds", "correlation +1.0000"),
        (stalls, "seeds", "raised RuntimeError: out of luck"),
    ],
)
def test_a_layer_that_keeps_another_policy_or_none_fails(layer, across, observed):
    verdict = found(layer, across=across)
    assert verdict.outcome is Outcome.FAIL
    assert observed in verdict.observed


@pytest.mark.parametrize("granularity", ["batch", "element"])
def test_what_a_decision_covers_changes_nothing(granularity):
    assert found(f"droppath_reference:DropPath?granularity={granularity}").outcome is Outcome.PASS


def test_a_framework_without_ranks_is_not_asked():
    verdict = found(on_arrays, framework="numpy")
    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_it_says_what_it_resolves():
    """At quick effort and 65,536 pairs: about (6.6 + 3.1)/256 in correlation; each of two tests has half of alpha."""
    check = catalogue()["DP708"]
    design = check.design(Cell("cpu", "float32", 0.5, dialect=Dialect()), 6.1e-11)
    assert design.resolves == pytest.approx((6.64 + 3.09) / 256, rel=0.05)


def test_the_script_of_ranks_ends_where_threads_have_computed_before(tmp_path):
    """Forks of such a process have none of the threads that it has: one that waits for them waits for ever."""
    report = audit("droppath_audit.mutants.threads:shares_its_rate_among_ranks", only=("DP708",), effort="quick")
    busy = "import torch\ntorch.set_num_threads(2)\ntorch.ones(2**20).sum()\n"
    script = tmp_path / "script.py"
    script.write_text(busy + report.results[0].snippet, encoding="utf-8")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert "AssertionError" in ended.stderr
