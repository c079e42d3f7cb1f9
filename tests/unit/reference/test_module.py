from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch

from droppath_reference.drop_path import GRANULARITIES, SCALINGS, DropPath, drop_path, drop_path_residual

DIALECTS = [(granularity, scaling) for granularity in GRANULARITIES for scaling in SCALINGS]


@pytest.mark.parametrize("drop_prob", [-0.1, 1.5, math.nan, math.inf, -5e-324, 2])
@pytest.mark.parametrize("training", [True, False])
def test_a_drop_prob_outside_the_unit_interval_is_refused_with_its_value(drop_prob: float, training: bool) -> None:
    with pytest.raises(ValueError, match=str(drop_prob)):
        DropPath(drop_prob)
    with pytest.raises(ValueError, match=str(drop_prob)):
        drop_path(torch.ones(3), drop_prob, training)
    module = DropPath(0.1).train(training)
    module.drop_prob = drop_prob
    with pytest.raises(ValueError, match=str(drop_prob)):
        module(torch.ones(3))


@pytest.mark.parametrize("drop_prob", ["0.1", None, True, torch.tensor(0.1), [0.1]], ids=repr)
def test_a_drop_prob_that_is_no_number_is_refused_with_its_type(drop_prob: Any) -> None:
    name = type(drop_prob).__name__
    with pytest.raises(TypeError, match=name):
        DropPath(drop_prob)
    module = DropPath(0.1)
    module.drop_prob = drop_prob
    with pytest.raises(TypeError, match=name):
        module(torch.ones(3))


def test_drop_prob_has_no_default() -> None:
    with pytest.raises(TypeError, match="drop_prob"):
        DropPath()  # type: ignore[call-arg]


@pytest.mark.parametrize("option", ["granularity", "scaling", "form"])
def test_unknown_options_are_refused_with_their_value(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be one of .*, got 'row'"):
        DropPath(0.1, **{option: "row"})
    if option != "form":
        with pytest.raises(ValueError, match="'row'"):
            drop_path(torch.ones(3), 0.1, **{option: "row"})


@pytest.mark.parametrize("drop_prob", [0, 1])
def test_integers_are_probabilities_too(drop_prob: int) -> None:
    assert drop_path(torch.ones(3), drop_prob, True).tolist() == [1.0 - drop_prob] * 3


def test_train_and_eval_decide_on_the_parent_too() -> None:
    parent = torch.nn.Sequential(DropPath(1.0))
    x = torch.ones(4, 2)
    for _ in range(2):
        assert not parent.train()(x).any()
        assert torch.equal(parent.eval()(x), x)
    with torch.no_grad():
        assert not parent.train()(x).any()


def test_the_module_is_the_function() -> None:
    x = torch.randn(64, 3)
    for granularity, scaling in DIALECTS:
        module = DropPath(0.3, granularity=granularity, scaling=scaling)
        for training in (True, False):
            torch.manual_seed(1)
            expected = drop_path(x, 0.3, training, granularity=granularity, scaling=scaling)
            torch.manual_seed(1)
            assert torch.equal(module.train(training)(x), expected)


def test_a_changed_drop_prob_takes_effect() -> None:
    module = DropPath(0.0)
    x = torch.ones(4, 2)
    assert module(x) is x
    module.drop_prob = 1.0
    assert not module(x).any()


def test_copies_pickles_and_state_behave() -> None:
    module = DropPath(0.25, granularity="batch", scaling="eval", form="residual").eval()
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):  # noqa: S301
        assert vars(twin) == vars(module)
    assert module.state_dict() == {}
    assert list(module.parameters()) == list(module.buffers()) == []


def test_repr_shows_the_arguments() -> None:
    module = DropPath(0.25, scaling="none")
    assert repr(module) == "DropPath(drop_prob=0.25, granularity='sample', scaling='none', form='branch')"


@pytest.mark.parametrize(("granularity", "scaling"), DIALECTS)
@pytest.mark.parametrize("training", [True, False])
def test_the_residual_form_adds_the_dropped_branch_to_its_shortcut(
    granularity: str, scaling: str, training: bool
) -> None:
    x, branch = torch.randn(64, 3), torch.randn(64, 3)
    torch.manual_seed(3)
    expected = x + drop_path(branch, 0.4, training, granularity=granularity, scaling=scaling)
    torch.manual_seed(3)
    assert torch.equal(drop_path_residual(x, branch, 0.4, training, granularity=granularity, scaling=scaling), expected)
    module = DropPath(0.4, granularity=granularity, scaling=scaling, form="residual").train(training)
    torch.manual_seed(3)
    assert torch.equal(module(x, branch), expected)


def test_each_form_refuses_the_call_of_the_other() -> None:
    x = torch.ones(2)
    with pytest.raises(TypeError, match="'branch' takes 1"):
        DropPath(0.1)(x, x)
    with pytest.raises(TypeError, match="'residual' takes 2"):
        DropPath(0.1, form="residual")(x)
