"""What a framework with ``Surroundings`` owes."""

from __future__ import annotations

import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Autograd, Surroundings, has


@pytest.fixture
def surroundings(place):
    return place.need(Surroundings)


def test_each_is_entered_computes_and_is_left(place, surroundings):
    x = place.tensor([[1.0], [2.0]])
    for name in surroundings.surroundings:
        try:
            context = surroundings.surround(name, place.device)
            with context:
                assert place.values(place.framework.multiply(x, x)) == [[1.0], [4.0]]
        except NotApplicable as reason:
            assert str(reason).startswith(place.device)  # noqa: PT017 - either is lawful
        assert place.values(place.framework.add(x, x)) == [[2.0], [4.0]]


def test_gradients_are_switched_on_again_when_one_is_left(place, surroundings, layer):
    autograd = has(place.framework, Autograd)
    if autograd is None or "no_grad" not in surroundings.surroundings:
        pytest.skip("there is none that switches them off")
    x = place.tensor([1.0])
    tracked = {}

    def noted(x):
        with surroundings.surround("no_grad", place.device):
            tracked["inside"] = autograd.tracked(place.framework.add(x, x))
        y = place.framework.add(x, x)
        tracked["outside"] = autograd.tracked(y)
        return y

    autograd.gradient(layer(noted), x, x)
    assert tracked == {"inside": False, "outside": True}
