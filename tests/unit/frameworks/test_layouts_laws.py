"""What frameworks with ``Layouts`` and with ``WriteCounts`` owe."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Layouts, WriteCounts

REPEATING = ("expanded", "repeated")
SHAPES = [(), (1,), (5,), (0,), (3, 0), (2, 3), (2, 3, 4, 5), (2, 1, 3, 1, 2)]


@pytest.fixture
def layouts(place):
    return place.need(Layouts)


def test_contiguous_is_the_first_and_what_tensor_returns(place, layouts):
    assert layouts.layouts[0] == "contiguous"
    values = np.arange(24.0).reshape(2, 3, 4)
    assert layouts.strides(place.tensor(values)) == (12, 4, 1)
    assert layouts.strides(layouts.laid_out(values, "float32", place.device, "contiguous")) == (12, 4, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_shape_and_bits_do_not_depend_on_strides(place, layouts, shape):
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    plain = place.tensor(values)
    for layout in layouts.layouts:
        made = layouts.laid_out(values, "float32", place.device, layout)
        assert place.framework.info(made) == place.framework.info(plain)
        found = place.framework.numpy(made)
        if layout not in REPEATING:
            assert np.array_equal(found, values), layout
            assert np.array_equal(place.framework.bits(made), place.framework.bits(plain)), layout
        assert set(found.reshape(-1).tolist()) <= set(values.reshape(-1).tolist()), layout
        assert place.framework.count([made], -1.0).other == values.size, layout


def test_strides_are_those_that_an_elementwise_operation_leaves(place, layouts):
    compared = 0
    for layout in layouts.layouts:
        x = layouts.laid_out(np.ones((2, 3, 4, 1)), "float32", place.device, layout)
        try:
            strides = layouts.strides(x)
        except NotApplicable:
            continue
        assert strides[3] == 0
        # One operation more, because the first may lay a tensor out anew that is not dense.
        y = place.framework.multiply(x, place.framework.ones((1, 1, 1, 1), "float32", place.device))
        assert layouts.strides(y) == strides, layout
        compared += 1
    assert compared


def test_a_transposed_tensor_keeps_its_strides_where_operations_follow_them(place, layouts):
    if "transposed" not in layouts.layouts:
        pytest.skip("there is no such layout")
    try:
        strides = layouts.strides(layouts.laid_out(np.ones((2, 3, 4)), "float32", place.device, "transposed"))
    except NotApplicable:
        return
    assert strides == (1, 2, 6)


def test_a_write_is_counted_and_a_computation_is_not(place):
    counts = place.need(WriteCounts)
    x = place.tensor([1.0, 2.0])
    before = counts.version(x)
    place.framework.add(x, x)
    place.framework.numpy(x)
    assert counts.version(x) == before
    x[0] = 5.0
    assert counts.version(x) > before
