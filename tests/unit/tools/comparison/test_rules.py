from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from droppath_audit.mutants import mutants
from droppath_audit.targets.loader import load, load_object
from tools.rivals import keras_cv, rules, xformers
from tools.rivals.rule import Window

RULES = {rule.name: rule for rule in rules()}
STATISTICAL = [rule for rule in rules() if rule.windows]
# These count enough decisions to reject a sound layer on fresh draws in one run of 2000 or more often.
WITH_FALSE_ALARMS = ("flax dropout", "JAX bernoulli", "KerasCV DropPath", "torch nn.Dropout", "torchvision row")


def evenly_dropped(drop_prob):
    """A layer whose decisions are spread evenly instead of drawn: every count is the expected one but for a few."""
    calls = 0

    def layer(x, training):
        nonlocal calls
        if not training or drop_prob == 0.0:
            return x
        calls += 1
        phase = torch.arange(len(x), dtype=torch.float64) * 0.6180339887498949 + calls * 0.7548776662466927
        kept = (phase.frac() < 1.0 - drop_prob).view((-1,) + (1,) * (x.ndim - 1))
        return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)

    return layer


def never_dropped(drop_prob):
    return lambda x, training: x


@pytest.fixture
def little_work(monkeypatch):
    """Less work: the smallest size of xformers alone, where its tests at 1e-6 err 3e-5 of the time, small samples."""
    monkeypatch.setattr(xformers, "SIZES", (6,))
    monkeypatch.setattr(keras_cv, "SHAPE", (16, 2, 2, 2))


def rejection(name, obj, **items):
    target = load(obj).target if isinstance(obj, str) else load_object(obj, items).target
    assert RULES[name].applies(target)
    return RULES[name].rejection(target, seed=0)


def test_there_is_a_rule_of_every_suite_and_it_says_where_it_is_from():
    assert set(RULES) == {*WITH_FALSE_ALARMS, "torchvision batch", "xformers", "timm", "mmcv"}
    for rule in rules():
        assert "/" in rule.source
        assert rule.asserts.endswith(".")
        assert rule.left_out.endswith(".")


@pytest.mark.parametrize("name", WITH_FALSE_ALARMS)
def test_a_rule_accepts_what_is_right_on_average(name, little_work):
    assert rejection(name, evenly_dropped, form="factory") == ""


# Sizes: none, and 2^-32; xformers 4 cases of 7 tests at 1e-6.
@pytest.mark.parametrize("name", ["mmcv", "timm", "xformers"])
def test_a_rule_that_hardly_errs_accepts_the_reference(name, little_work):
    assert rejection(name, "droppath_reference:DropPath") == ""


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("torchvision batch", "torch nn.Dropout")])
def test_a_rule_rejects_a_layer_that_never_drops(name, little_work):
    assert rejection(name, never_dropped, form="factory")


def test_the_rule_of_nn_dropout_rejects_what_is_not_scaled_and_accepts_what_never_drops():
    # It compares means alone, which the identity preserves.
    assert rejection("torch nn.Dropout", mutants()["never_scaled"])
    assert rejection("torch nn.Dropout", never_dropped, form="factory") == ""


def test_the_rule_for_batches_rejects_a_layer_that_never_drops():
    assert rejection("torchvision batch", never_dropped, form="factory", granularity="batch")
    assert not RULES["torchvision row"].applies(load("droppath_reference:DropPath?granularity=batch").target)


@pytest.mark.parametrize(
    ("name", "mutant"),
    [
        ("mmcv", "active_in_evaluation"),
        ("timm", "off_by_half_a_percent"),
        ("torchvision row", "identity_at_keep_prob_zero"),
        ("torch nn.Dropout", "gradient_without_factor"),
        ("flax dropout", "nan_backward_at_keep_prob_zero"),
    ],
)
def test_a_rule_rejects_what_it_asserts_beside_frequencies(name, mutant):
    assert rejection(name, mutants()[mutant])


def test_a_layer_that_raises_is_rejected_with_what_it_raised():
    def raises(drop_prob):
        def layer(x, training):
            raise RuntimeError("no")

        return layer

    assert rejection("timm", raises, form="factory") == "raised RuntimeError: no"


def test_a_window_is_bounded_by_what_it_accepts():
    window = Window(0.2, 50, lambda kept: 33 <= kept <= 44)
    assert window.bounds == (33, 44)
    inside = binom.pmf(np.arange(33, 45), 50, 0.7).sum()
    assert window.rejection(0.7) == pytest.approx(1.0 - inside, rel=1e-9)
    with pytest.raises(ValueError, match="should pass"):
        Window(0.2, 50, lambda kept: kept < 10).bounds  # noqa: B018


@pytest.mark.parametrize("rule", [rule for rule in STATISTICAL if rule.name != "xformers"], ids=lambda rule: rule.name)
def test_the_bounds_of_a_window_are_where_its_test_turns(rule):
    for window in rule.windows:
        low, high = window.bounds
        assert [window.accepts(count) for count in (low, high)] == [True, True]
        assert not any(window.accepts(count) for count in (low - 1, high + 1) if 0 <= count <= window.decisions)


def test_power_combines_the_windows_of_a_run():
    (rule,) = (rule for rule in rules() if rule.name == "torchvision batch")
    accepted = np.prod([(1.0 - window.rejection(1.0 - window.drop_prob)) ** 10 for window in rule.windows])
    assert rule.power(0.0) == pytest.approx(1.0 - accepted)
    assert rule.power(0.0) < rule.power(0.01) < rule.power(0.1)
    assert RULES["timm"].power(0.0) == pytest.approx(2.0**-32)
