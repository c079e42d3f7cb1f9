"""What a framework with ``Autograd`` owes."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.capabilities import Autograd, Surroundings, has


@pytest.fixture
def autograd(place):
    return place.need(Autograd)


@pytest.fixture
def x(place):
    return place.tensor([[1.0, 2.0], [3.0, 4.0]])


@pytest.fixture
def cotangent(place):
    return place.tensor([[1.0, 10.0], [100.0, 1000.0]])


def test_of_a_mask_it_is_the_mask(place, autograd, layer, x, cotangent):
    mask = place.tensor([[2.0], [0.0]])
    result = autograd.gradient(layer(lambda x: place.framework.multiply(x, mask)), x, cotangent)
    assert (place.values(result.output), result.reason) == ([[2.0, 4.0], [0.0, 0.0]], "")
    assert place.values(result.gradient) == [[2.0, 20.0], [0.0, 0.0]]
    assert place.framework.info(result.gradient) == place.framework.info(x)


def test_of_a_square_it_is_twice_x(place, autograd, layer, x, cotangent):
    result = autograd.gradient(layer(lambda x: place.framework.multiply(x, x)), x, cotangent)
    assert place.values(result.gradient) == [[2.0, 40.0], [600.0, 8000.0]]


def test_rows_stay_in_the_graph(place, autograd, layer, x, cotangent):
    result = autograd.gradient(layer(lambda x: place.framework.rows(x, [1, 0])), x, cotangent)
    assert place.values(result.gradient) == [[100.0, 1000.0], [1.0, 10.0]]


def test_neither_tensor_is_changed_or_tracked_afterwards(place, autograd, layer, x, cotangent):
    autograd.gradient(layer(lambda x: place.framework.add(x, x)), x, cotangent)
    assert place.values(x) == [[1.0, 2.0], [3.0, 4.0]]
    assert place.values(cotangent) == [[1.0, 10.0], [100.0, 1000.0]]
    assert not autograd.tracked(x)
    assert not autograd.tracked(cotangent)


def test_what_the_layer_is_given_is_tracked_and_zeros_like_it_are_not(place, autograd, layer, x, cotangent):
    def noted(x):
        tracked.extend([autograd.tracked(x), autograd.tracked(place.framework.zeros_like(x))])
        return place.framework.add(x, x)

    tracked: list[bool] = []
    autograd.gradient(layer(noted), x, cotangent)
    assert tracked == [True, False]


def test_an_output_outside_the_graph_has_no_gradient_and_a_reason(place, autograd, layer, x, cotangent):
    cut = layer(lambda x: place.tensor(place.framework.numpy(x)))
    result = autograd.gradient(cut, x, cotangent)
    assert result.gradient is None
    assert result.reason
    assert place.values(result.output) == place.values(x)


def test_gradients_are_there_where_the_caller_has_switched_them_off(place, autograd, layer, x, cotangent):
    surroundings = has(place.framework, Surroundings)
    if surroundings is None or "no_grad" not in surroundings.surroundings:
        pytest.skip("there is no context that switches them off")
    with surroundings.surround("no_grad", place.device):
        result = autograd.gradient(layer(lambda x: place.framework.add(x, x)), x, cotangent)
    assert place.values(result.gradient) == [[2.0, 20.0], [200.0, 2000.0]]


def test_what_the_target_raised_stays_its_own(place, autograd, layer, x, cotangent):
    def refuses(x):
        raise TargetRaised("ValueError", "no")

    for run in (
        lambda: autograd.gradient(layer(refuses), x, cotangent),
        lambda: autograd.gradcheck(layer(refuses), place.tensor([1.0], "float64"), 0),
    ):
        with pytest.raises(TargetRaised, match="ValueError: no"):
            run()


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_of_small_tensors(place, autograd, layer, shape):
    x = place.framework.ones(shape, "float32", place.device)
    result = autograd.gradient(layer(lambda x: place.framework.add(x, x)), x, x)
    assert place.framework.info(result.gradient) == place.framework.info(x)


def test_finite_differences_agree_with_a_random_layer_because_its_mask_is_fixed(place, autograd, layer):
    masked = layer(lambda x: place.framework.multiply(x, place.fresh_mask(x)))
    x = place.tensor(np.arange(1.0, 13.0).reshape(6, 2), "float64")
    assert autograd.gradcheck(masked, x, seed=3) == ""


def test_finite_differences_disagree_with_half_a_gradient(place, autograd, layer):
    def half(x):
        return place.framework.add(x, place.tensor(place.framework.numpy(x), "float64"))

    assert autograd.gradcheck(layer(half), place.tensor([[1.0], [2.0]], "float64"), seed=3)
