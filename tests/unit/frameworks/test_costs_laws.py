"""What a framework with ``Costs`` owes."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.frameworks.costs import Costs


@pytest.fixture
def costs(place):
    return place.need(Costs)


@pytest.fixture
def x(place):
    return place.tensor(np.full((6, 4), np.inf))


def test_a_product_with_a_mask_writes_once_and_makes_nothing_else(place, costs, x):
    mask = place.tensor(np.ones((6, 1)))
    ran = costs.ran(lambda x: x * mask, x)
    assert (ran.operations, len(ran.passes), ran.made, ran.waits, ran.kept) == (1, 1, (), (), True)
    assert ran.peak >= ran.bytes == 6 * 4 * 4


def test_what_holds_values_of_x_is_told_from_what_does_not(place, costs, x):
    mask = place.tensor(np.ones((6, 4)))
    ran = costs.ran(lambda x: (x * 2) * (mask + mask), x)
    assert [made.of_x for made in ran.made] == [True, False]
    assert all("[6, 4]" in made.tensor and made.bytes >= 96 for made in ran.made)
    assert ran.peak >= 3 * ran.bytes


def test_memory_that_is_given_back_is_not_held(place, costs, x):
    mask = place.tensor(np.ones((6, 1)))
    one = costs.ran(lambda x: x * mask, x)
    many = costs.ran(lambda x: [x * mask for _ in range(20)][-1] * 1, x)
    late = costs.ran(lambda x: ([(x * mask) is None for _ in range(20)], x * mask)[1], x)
    assert many.peak >= 20 * one.peak > 2 * late.peak > one.peak


def test_what_this_package_asks_for_is_left_out(place, costs, x):
    ran = costs.ran(lambda x: place.framework.multiply(x, x), x)
    assert ran.operations == 0


def test_there_is_an_end_to_waiting(place, costs):
    costs.wait(place.device)


def test_each_yardstick_is_sound_in_every_granularity(costs):
    from droppath_audit.targets.loader import load

    for spec in costs.yardsticks.values():
        for granularity in ("sample", "batch", "element"):
            assert load(spec.format(granularity=granularity)).target.make(0.5) is not None


def test_scripts_see_masks(place, costs, x):
    del costs
    spell = place.spelling
    for product, masks in (("x * mask", 0), ("x * (mask + 0 * mask.sum(1, keepdim=True).expand(6, 4)).clone()", 1)):
        found = place.run(
            *spell.watch_operations(), "with watch:", f"    y = {product}", x=x, mask=place.tensor(np.ones((6, 1)))
        )
        assert bool(found["watch"].masks(x, found["y"])) is bool(masks), product
