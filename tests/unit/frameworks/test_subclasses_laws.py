"""What frameworks with ``Subclasses`` owe."""

from __future__ import annotations

import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.manners import Subclasses


@pytest.fixture
def subclasses(place):
    found = place.need(Subclasses)
    try:
        found.own(place.tensor([1.0]))
    except NotApplicable as reason:
        pytest.skip(str(reason))
    return found


def test_it_is_the_same_tensor_of_another_class(place, subclasses):
    x = place.tensor([1.0, 2.0])
    own = subclasses.own(x)
    assert isinstance(own, type(x))
    assert type(own) is not type(x)
    assert place.values(own) == [1.0, 2.0]
    assert place.framework.info(own) == place.framework.info(x)


def test_operations_keep_the_class_and_notice_it(place, subclasses):
    own = subclasses.own(place.tensor([1.0, 2.0]))
    assert not subclasses.noticed(own)
    y = place.framework.add(own, own)
    assert subclasses.alike(own, y)
    assert subclasses.noticed(own)
    assert not subclasses.alike(own, place.tensor([1.0, 2.0]))


def test_the_spelling_makes_one_as_well(place, subclasses):
    x = place.tensor([1.0, 2.0])
    found = place.run(place.spelling.subclassed("x"), "y = x + x", x=x)
    assert type(found["x"]) is not type(x)
    assert subclasses.alike(found["x"], found["y"])
