"""What a framework with ``SecondOrder`` owes."""

from __future__ import annotations

import pytest

from droppath_audit.frameworks.capabilities import SecondOrder


@pytest.fixture
def second_order(place):
    return place.need(SecondOrder)


@pytest.fixture
def tensors(place):
    return place.tensor([[1.0], [2.0]]), place.tensor([[3.0], [5.0]]), place.tensor([[7.0], [11.0]])


def test_of_a_square(place, second_order, layer, tensors):
    """The gradient is 2 x v; in the direction d its derivative by x is 2 v d, that by v is 2 x d."""
    result = second_order.second_order(layer(lambda x: place.framework.multiply(x, x)), *tensors)
    assert (place.values(result.output), result.reason) == ([[1.0], [4.0]], "")
    assert place.values(result.by_x) == [[42.0], [110.0]]
    assert place.values(result.by_cotangent) == [[14.0], [44.0]]


def test_of_a_mask_the_gradient_does_not_depend_on_x(place, second_order, layer, tensors):
    mask = place.tensor([[2.0], [0.0]])
    result = second_order.second_order(layer(lambda x: place.framework.multiply(x, mask)), *tensors)
    assert result.by_x is None or place.values(result.by_x) == [[0.0], [0.0]]
    assert place.values(result.by_cotangent) == [[14.0], [0.0]]


def test_an_output_outside_the_graph_has_none_and_a_reason(place, second_order, layer, tensors):
    result = second_order.second_order(layer(lambda x: place.tensor(place.framework.numpy(x))), *tensors)
    assert (result.by_x, result.by_cotangent) == (None, None)
    assert result.reason


def test_the_tensors_are_left_as_they_were(place, second_order, layer, tensors):
    before = [place.values(tensor) for tensor in tensors]
    second_order.second_order(layer(lambda x: place.framework.multiply(x, x)), *tensors)
    assert [place.values(tensor) for tensor in tensors] == before
