"""Layers that run their branch on a part of the batch, or in another order, are given the right samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.core.errors import NotApplicable
from droppath_audit.targets.loader import load_object

CALL = {"form": "residual"}


def sparse(x, residual_func, drop_prob, training):
    """Correct: the branch is run on the samples that are kept."""
    if not training or drop_prob == 0.0:
        return x + residual_func(x)
    kept = torch.rand(len(x), dtype=torch.float64) >= drop_prob
    y = x.clone()
    y[kept] = x[kept] + residual_func(x[kept]) / (1.0 - drop_prob or 1.0)
    return y


def shuffled(x, residual_func, drop_prob, training):
    """Correct in training: the branch sees the whole batch in another order."""
    order = torch.randperm(len(x))
    branch = residual_func(x[order])[torch.argsort(order)]
    if not training or drop_prob == 0.0:
        return x + branch
    kept = torch.rand(len(x), 1, dtype=torch.float64) >= drop_prob
    return x + torch.where(kept, branch, 0.0) / (1.0 - drop_prob or 1.0)


def twice(x, residual_func, drop_prob, training):
    """The branch is run on the two halves of the batch, the second first."""
    half = len(x) // 2
    second = x[half:] + residual_func(x[half:])
    return torch.cat([x[:half] + residual_func(x[:half]), second])


def normalised(x, residual_func, drop_prob, training):
    """The branch is given something else than samples of the shortcut."""
    return x + torch.nn.functional.pad(residual_func(x[1:] / 3 + 0.1), (0, 0, 1, 0))


GENERATOR = torch.Generator()


def own_generator(x, residual_func, drop_prob, training):
    """A part that the framework's seed does not fix."""
    kept = torch.randperm(len(x), generator=GENERATOR)[: len(x) // 2]
    return torch.index_add(x, 0, kept, residual_func(x[kept]))


def outputs(function, rows=6, features=4, drop_prob=0.5, dtype="float32"):
    target = load_object(function, CALL).target
    x = torch.arange(1.0, rows * features + 1).reshape(rows, features).to(getattr(torch, dtype))
    torch.manual_seed(3)
    return x, target.make(drop_prob)(x, training=True)


@pytest.mark.parametrize(("rows", "features"), [(64, 4), (300, 1)])
def test_every_kept_sample_gets_its_own_branch_output(rows, features):
    x, y = outputs(sparse, rows=rows, features=features)
    kept = (y != 0).any(dim=1)
    assert 0 < int(kept.sum()) < rows
    assert torch.equal(y[kept], 2 * x[kept])


@pytest.mark.parametrize("rows", [2, 127, 128, 129, 16_500])
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_numbers_reach_any_batch_in_any_dtype(rows, dtype):
    x, y = outputs(twice, rows=rows, dtype=dtype)
    assert torch.equal(y, x)


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 3), (4, 0)])
def test_batches_with_nothing_to_tell_apart_are_run_as_they_are(shape):
    def whole(x, residual_func, drop_prob, training):
        return x + residual_func(x)

    x = torch.arange(float(np.prod(shape))).reshape(shape)
    y = load_object(whole, CALL).target.make(0.5)(x, training=True)
    assert torch.equal(y, x)


def test_a_whole_batch_in_another_order_is_put_back():
    x, y = outputs(shuffled, drop_prob=0.0)
    assert torch.equal(y, x)


def test_noting_leaves_every_generator_as_it_was():
    def draws(x, residual_func, drop_prob, training):
        kept = torch.randperm(len(x))[:3]
        values.append((torch.rand(()).item(), np.random.random()))
        return torch.index_add(x, 0, kept, residual_func(x[kept]))

    values: list[tuple[float, float]] = []
    np.random.seed(1)
    outputs(draws)
    assert values[0] == values[1] == values[2]
    assert len(values) == 3


def test_a_branch_that_always_sees_the_whole_batch_is_soon_trusted():
    def whole(x, residual_func, drop_prob, training):
        calls.append(1)
        return x + residual_func(x)

    calls: list[int] = []
    layer = load_object(whole, CALL).target.make(0.5)
    x = torch.arange(8.0).reshape(4, 2)
    for _ in range(10):
        layer(x, training=True)
    assert len(calls) == 4 * 3 + 6


@pytest.mark.parametrize(
    ("function", "rows", "features", "reason"),
    [
        (own_generator, 64, 4, "does not fix which"),
        (normalised, 6, 4, "something else than samples"),
    ],
)
def test_what_cannot_be_matched_does_not_apply(function, rows, features, reason):
    with pytest.raises(NotApplicable, match=reason):
        outputs(function, rows=rows, features=features)


def test_a_large_batch_of_small_samples_is_seen_to_come_whole():
    """Its numbers do not fit into one element: their remainders tell that all are there, and in order."""

    def whole(x, residual_func, drop_prob, training):
        return x + residual_func(x)

    layer, x = load_object(whole, CALL).target.make(0.5), torch.arange(3000.0).reshape(3000, 1)
    assert torch.equal(layer(x, training=True), x)


def test_samples_that_are_alike_need_no_matching():
    target = load_object(own_generator, CALL).target
    y = target.make(0.5)(torch.ones(64, 4), training=True)
    assert sorted(set(y.flatten().tolist())) == [0.0, 1.0]


def test_a_sound_layer_that_runs_the_branch_on_kept_samples_alone_has_no_finding():
    only = ("DP00*", "DP104", "DP2*", "DP301", "DP304", "DP401", "DP402", "DP601")
    report = audit(sparse, effort="quick", only=only, **CALL)
    assert [result.trial.id for result in report.findings] == []


def test_samples_without_elements_need_no_matching_where_their_gradients_count():
    target = load_object(sparse, CALL).target
    x = torch.ones(64, 0)
    assert target.framework.gradient(target.make(0.5), x, x).gradient.shape == (64, 0)


def test_samples_that_are_alike_are_matched_where_their_gradients_count():
    target = load_object(sparse, CALL).target
    x = torch.ones(64, 4)
    result = target.framework.gradient(target.make(0.5), x, x)
    assert torch.equal(result.gradient != 0, result.output != 0)
