"""What a framework with ``Taped`` owes."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.frameworks.capabilities import Taped


@pytest.fixture
def tape(place):
    return place.need(Taped).tape()


def test_a_draw_is_recorded_with_its_values(place, tape):
    with tape.record() as draws:
        drawn = place.draw(5)
    place.draw(5)
    (draw,) = draws
    assert (draw.numbers, draw.shape, draw.dtype) == (5, (5,), "float32")
    assert draw.device.startswith(place.device)
    assert draw.values.tolist() == place.values(drawn)
    with tape.record(values=False) as draws:
        place.draw(5)
    assert draws[0].values is None


def test_arithmetic_is_no_draw(place, tape):
    x = place.tensor([1.0, 2.0])
    with tape.record() as draws:
        place.framework.multiply(place.framework.add(x, x), x)
    assert draws == []


def test_a_draw_has_the_values_that_it_is_given(place, tape):
    values = np.array([0.25, 0.5, 0.0, 1.0, 0.75])
    with tape.replace(values) as numbers:
        drawn = place.draw(5)
    assert (numbers, place.values(drawn)) == ([5], values.tolist())
    assert place.values(place.draw(5)) != values.tolist()


def test_a_draw_of_another_size_keeps_its_own(place, tape):
    place.framework.seed(3)
    expected = place.values(place.draw(4))
    place.framework.seed(3)
    with tape.replace(np.zeros(5)) as numbers:
        drawn = place.draw(4)
    assert (numbers, place.values(drawn)) == ([4], expected)


def test_recording_changes_no_draw(place, tape):
    place.framework.seed(3)
    expected = place.values(place.draw())
    place.framework.seed(3)
    with tape.record():
        assert place.values(place.draw()) == expected
