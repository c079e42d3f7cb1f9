"""What frameworks with ``Transforms`` owe."""

from __future__ import annotations

import pytest

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.manners import Transforms
from droppath_audit.frameworks.theirs import reraise

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def transforms(place):
    return place.need(Transforms)


def squared(place):
    return lambda x: place.framework.multiply(x, x)


def test_a_mapped_call_is_the_call_of_each_entry(place, transforms):
    x = place.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert place.values(transforms.mapped(squared(place), x)) == [[1.0, 4.0], [9.0, 16.0]]


def test_entries_have_random_numbers_of_their_own(place, transforms):
    x = place.tensor([[1.0] * 8] * 8)
    drawn = transforms.mapped(lambda entry: place.framework.add(entry, place.draw(8)), x)
    assert len({tuple(row) for row in place.values(drawn)}) == 8


def test_the_gradient_is_weighed_by_the_cotangent(place, transforms):
    y, gradient = transforms.with_gradient(squared(place), place.tensor([1.0, 3.0]), place.tensor([10.0, 100.0]))
    assert (place.values(y), place.values(gradient)) == ([1.0, 9.0], [20.0, 600.0])


def test_the_derivative_is_that_along_the_tangent(place, transforms):
    y, derivative = transforms.with_tangent(squared(place), place.tensor([1.0, 3.0]), place.tensor([10.0, 100.0]))
    assert (place.values(y), place.values(derivative)) == ([1.0, 9.0], [20.0, 600.0])


def test_a_layer_is_called_with_its_parameters(place, transforms):
    layer = place.run(f"layer = {place.spelling.identity()}")["layer"]
    assert place.values(transforms.functional(layer, place.tensor([1.0, 2.0]))) == [1.0, 2.0]


def test_what_the_framework_refuses_is_not_applicable_and_what_the_layer_raises_is_its_own(place, transforms):
    def raising(error):
        def call(x):
            try:
                raise error
            except Exception as raised:
                reraise(raised)

        return call

    with pytest.raises(NotApplicable, match="refuses vmap"):
        transforms.mapped(raising(RuntimeError("vmap: no")), place.tensor([1.0]))
    with pytest.raises(TargetRaised):
        transforms.mapped(raising(ValueError("no")), place.tensor([1.0]))


@pytest.mark.parametrize("how", ["vmap", "functional_call", "grad", "jvp"])
def test_spellings(place, transforms, how):
    call = "layer(x)" if how == "functional_call" else "x * x"
    lines = [f"layer = {place.spelling.identity()}", place.spelling.transformed(how, call, "3")]
    found = place.run(*lines, x=place.tensor([1.0, 3.0]))
    once = [1.0, 3.0] if how == "functional_call" else [1.0, 9.0]
    assert place.values(found["y"]) == ([once] * 3 if how == "vmap" else once)
    if "derivative" in found:
        assert place.values(found["derivative"]) == [2.0, 6.0]
