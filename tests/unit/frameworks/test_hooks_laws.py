"""What frameworks with ``Hooks`` owe."""

from __future__ import annotations

import copy
import pickle

import pytest

from droppath_audit.frameworks.capabilities import Layers
from droppath_audit.frameworks.manners import Hooks


@pytest.fixture
def hooks(place):
    return place.need(Hooks)


@pytest.fixture
def layer(place):
    return place.run(f"layer = {place.spelling.identity()}")["layer"]


def test_hooks_are_missed_until_the_layer_is_called(place, hooks, layer):
    hooks.hook(layer)
    assert len(hooks.missed(layer)) == 2
    layer(place.tensor([1.0]))
    assert hooks.missed(layer) == ()


def test_hooks_are_missed_where_a_call_goes_round_them(place, hooks, layer):
    hooks.hook(layer)
    layer.forward(place.tensor([1.0]))
    assert len(hooks.missed(layer)) == 2


def pickled(layer):
    return pickle.loads(pickle.dumps(layer))  # noqa: S301 - it was written a moment ago


@pytest.mark.parametrize("how", [copy.deepcopy, pickled])
def test_a_copy_has_hooks_and_none_of_them_has_run_for_it(place, hooks, layer, how):
    hooks.hook(layer)
    layer(place.tensor([1.0]))
    copied = how(layer)
    assert len(hooks.missed(copied)) == 2
    copied(place.tensor([1.0]))
    assert hooks.missed(copied) == ()


def test_methods_that_return_something_else_are_named(place, hooks, layer):
    assert hooks.unchained(layer) == ()

    class Silent(type(place.need(Layers).branch(lambda x: x))):
        def eval(self):
            super().eval()

    assert hooks.unchained(Silent()) == ("eval()",)


def test_the_spelling_has_a_function_run_before_and_after(place, hooks):
    found = place.run(
        f"layer, ran = {place.spelling.identity()}, []",
        "hook = lambda *_: ran.append(1)",
        place.spelling.hook("layer", "hook"),
        "layer(x)",
        x=place.tensor([1.0]),
    )
    assert found["ran"] == [1, 1]
