from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.api import audit
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.stats.exact import binomial_test
from droppath_audit.targets.loader import load

DECISIONS = 2000
# Of every convention's binomial test, so that all of them together fail a sound loader once in ten million runs.
# Mistaking keep_prob for drop_prob keeps 90 % instead of 10 % and passes with probability below 1e-300.
SIZE = 1e-9


@pytest.fixture
def loaded(convention, loaded):  # both by name: pytest 8.0 does not see through a fixture to its own parameters
    with loaded.target.framework.scope():
        loaded.target.framework.seed(0)
        yield loaded


def tensor(loaded, samples):
    sizes = (4,) if loaded.target.fixed_shape is None else loaded.target.fixed_shape[1:]
    generator = torch.Generator().manual_seed(1)
    return 1.0 + torch.rand((samples, *sizes), generator=generator)


def test_the_dialect_is_the_declared_one(convention, loaded):
    dialect = loaded.facts.dialect
    assert (dialect.granularity, dialect.scaling, dialect.form) == (
        convention.granularity,
        convention.scaling,
        convention.form,
    )
    assert loaded.target.evaluates == loaded.facts.evaluates == convention.evaluates


@pytest.mark.parametrize("drop_prob", [0.0, 0.3, 0.9])
def test_evaluation_is_the_identity(convention, loaded, drop_prob):
    x, layer = tensor(loaded, 64), loaded.target.make(drop_prob)
    if not convention.evaluates:
        with pytest.raises(NotApplicable):
            layer(x, training=False)
        return
    promised = x * (1.0 - drop_prob) if convention.scaling == "eval" else x
    layer(x, training=True)  # the mode must switch back
    assert torch.equal(layer(x, training=False), promised)


def test_drop_prob_0_is_the_identity_in_training(loaded):
    x = tensor(loaded, 64)
    assert torch.equal(loaded.target.make(0.0)(x, training=True), x)


def test_drop_prob_1_leaves_nothing_in_training(loaded):
    x = tensor(loaded, 64)
    if loaded.facts.dialect.keep_prob_zero == "raises":
        with pytest.raises(TargetRaised, match="ValueError: drop_prob must be below 1"):
            loaded.target.make(1.0)(x, training=True)
    else:
        assert torch.count_nonzero(loaded.target.make(1.0)(x, training=True)) == 0


def test_drop_prob_90_percent_keeps_10_percent_and_scales_as_declared(convention, loaded):
    layer = loaded.target.make(0.9)
    if convention.granularity == "batch":
        x = tensor(loaded, 2)
        ratios = torch.stack([(layer(x, training=True) / x).reshape(-1) for _ in range(DECISIONS)])
    else:
        x = tensor(loaded, DECISIONS)
        ratios = (layer(x, training=True) / x).reshape(DECISIONS, -1)
    if convention.granularity == "element":
        ratios = ratios.reshape(-1, 1)
    kept = ratios[:, 0] != 0.0
    assert ((ratios != 0.0) == kept[:, None]).all()
    scale = 10.0 if convention.scaling == "inverted" else 1.0
    assert np.allclose(ratios[kept], scale, rtol=1e-6)
    assert binomial_test(int(kept.sum()), len(kept), 0.1) > SIZE


def test_a_residual_form_adds_the_shortcut(convention, loaded):
    if convention.form != "residual":
        return
    # Rows that are alike, because a layer may run its branch on some of them.
    x = torch.full((64, 4), 3.0)
    shortcut = torch.arange(256.0).reshape(64, 4)
    layer = loaded.target.make(0.5)
    assert torch.equal(layer.with_shortcut(x, shortcut, training=False), shortcut + x)
    branch = layer.with_shortcut(x, shortcut, training=True) - shortcut
    assert set(branch.unique().tolist()) == {0.0, 6.0}


def test_two_instances_do_not_share_their_probability(loaded):
    x = tensor(loaded, 64)
    never, always = loaded.target.make(0.0), loaded.target.make(0.99)
    always(x, training=True)
    assert torch.equal(never(x, training=True), x)


def test_a_plain_class_whose_train_takes_no_argument_is_switched_by_train_and_eval(file):
    layer = load(f"{file}:PlainClassWithBareModes").target.make(1.0)
    x = torch.ones(8, 4)
    assert torch.equal(layer(x, training=False), x)
    assert torch.count_nonzero(layer(x, training=True)) == 0


def test_what_the_switch_of_the_mode_raises_is_the_targets_error(file):
    layer = load(f"{file}:TrainRaises").target.make(0.5)
    layer(torch.ones(8, 4), training=False)
    with pytest.raises(TargetRaised, match="RuntimeError: not to be trained"):
        layer(torch.ones(8, 4), training=True)


def test_the_verdict_is_that_it_is_sound(convention):
    """Of the three checks that a wrong reading of probability, mode or axes fails first."""
    report = audit(
        convention.text,
        only=("DP001[cpu-float32-p0.3]", "DP104[cpu-float32]", "DP201[cpu-float32-p0.3]"),
        effort="quick",
    )
    assert report.exit_status == 0
    assert report.counts["pass"] >= 1


def test_an_x_of_rank_0_has_no_rows_to_number(file):
    report = audit(f"{file}:drop_rows", effort="quick", only=["DP305"])
    (result,) = report.results
    assert (result.outcome.value, result.verdict.observed) == (
        "not-applicable",
        "an x of rank 0 has no rows to number",
    )
