"""What every framework owes: the laws of ``frameworks.base``, on every device that is here."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.frameworks.base import Count

SHAPES = [(), (1,), (5,), (0,), (3, 0), (0, 4), (2, 3), (2, 3, 4, 5), (1,) * 5]


def dtypes(place):
    return place.framework.dtypes(place.device)


def test_the_usual_dtypes_are_here_and_hold_ones(place):
    assert "float32" in dtypes(place)
    for dtype in dtypes(place):
        ones = place.framework.ones((2, 2), dtype, place.device)
        assert place.framework.info(ones).dtype == dtype
        values = place.framework.numpy(ones)
        assert values.dtype == (np.complex128 if dtype.startswith("complex") else np.float64)
        assert np.all(values == 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_go_in_and_come_out(place, shape):
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    for dtype in dtypes(place):
        if dtype.startswith("float8"):  # which holds few whole numbers
            continue
        tensor = place.framework.tensor(values, dtype, place.device)
        info = place.framework.info(tensor)
        assert (info.shape, info.dtype) == (shape, dtype)
        assert np.array_equal(place.framework.numpy(tensor), values)
        assert place.framework.numpy(place.framework.ones(shape, dtype, place.device)).shape == shape


def test_complex_values_keep_both_parts(place):
    for dtype in [dtype for dtype in dtypes(place) if dtype.startswith("complex")]:
        values = np.array([1.5 - 2j, 0.25j])
        assert np.array_equal(place.framework.numpy(place.framework.tensor(values, dtype, place.device)), values)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_keep_their_bits(place, dtype):
    if dtype not in dtypes(place):
        pytest.skip(f"{place.device} has no {dtype}")
    limits = np.finfo(dtype)
    values = np.array([0.0, -0.0, np.inf, -np.inf, limits.tiny, limits.max, 1 / 3, np.nan], dtype)
    tensor = place.framework.tensor(values.astype(np.float64), dtype, place.device)
    assert np.array_equal(place.framework.numpy(tensor), values.astype(np.float64), equal_nan=True)
    assert np.array_equal(place.framework.bits(tensor)[: 7 * values.itemsize], values[:7].view(np.uint8))


def test_a_tensor_is_a_copy_of_the_values(place):
    for dtype in {"float32", "float64"}.intersection(dtypes(place)):
        values = np.ones(3)
        tensor = place.framework.tensor(values, dtype, place.device)
        values[:] = 5.0
        assert place.values(tensor) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3), (4, 2, 2)])
def test_a_sample_is_kept_where_its_first_element_is_not_zero(place, shape):
    # Zeros of either sign are dropped; NaN, infinities and the smallest number are kept; other elements say nothing.
    for first, expected in (([0.0, -0.0, 1.0, -2.0], [0, 0, 1, 1]), ([np.nan, 0.0, np.inf, -np.inf], [1, 0, 1, 1])):
        values = np.zeros(shape)
        values.reshape(4, -1)[:, -1] = 5.0
        values.reshape(4, -1)[:, 0] = first
        for dtype in dtypes(place):
            if dtype.startswith("float8"):  # which holds few of these
                continue
            kept = place.framework.kept(place.framework.tensor(values, dtype, place.device), 4)
            assert kept.dtype == np.bool_
            assert kept.tolist() == [bool(one) for one in expected], dtype
    with pytest.raises(TypeError):
        place.framework.kept(None, 4)


def test_bits_stay_what_they_were_when_the_tensor_is_written_to(place):
    ones, zeros = place.tensor([1.0, 1.0]), place.tensor([0.0, 0.0])
    for tensor in (ones, zeros):
        before = place.framework.bits(tensor)
        copied = before.copy()
        tensor *= 3.0
        assert np.array_equal(before, copied)


def test_bits_tell_apart_what_compares_equal(place):
    positive, negative = place.tensor([0.0]), place.tensor([-0.0])
    assert np.array_equal(place.framework.bits(positive), place.framework.bits(place.tensor([0.0])))
    assert not np.array_equal(place.framework.bits(positive), place.framework.bits(negative))
    assert len(place.framework.bits(place.tensor([[1.0, 2.0], [3.0, 4.0]]))) == 16
    assert len(place.framework.bits(place.tensor(1.0))) == 4


def test_the_device_is_the_same_for_all_its_tensors(place):
    first, second = place.tensor([1.0]), place.framework.ones((2, 3), "float32", place.device)
    devices = {place.framework.info(tensor).device for tensor in (first, second, place.framework.add(first, first))}
    assert len(devices) == 1
    assert devices.pop().startswith(place.device)


@pytest.mark.parametrize("value", [None, 1.0, "x", (1.0,)])
def test_what_is_no_tensor_is_a_type_error(place, value):
    with pytest.raises(TypeError):
        place.framework.info(value)
    with pytest.raises(TypeError):
        place.framework.numpy(value)


def test_sums_and_products(place):
    x, y = place.tensor([[1.0, 2.0], [3.0, 4.0]]), place.tensor([[10.0, 20.0], [30.0, 40.0]])
    assert place.values(place.framework.add(x, y)) == [[11.0, 22.0], [33.0, 44.0]]
    assert place.values(place.framework.multiply(x, y)) == [[10.0, 40.0], [90.0, 160.0]]
    assert place.values(place.framework.multiply(x, place.tensor([[2.0], [0.0]]))) == [[2.0, 4.0], [0.0, 0.0]]
    assert place.values(x) == [[1.0, 2.0], [3.0, 4.0]]


def test_rows_come_in_the_order_in_which_they_are_asked_for(place):
    x = place.tensor([[1.0, 1.5], [2.0, 2.5], [3.0, 3.5]])
    assert place.values(place.framework.rows(x, [2, 0, 2])) == [[3.0, 3.5], [1.0, 1.5], [3.0, 3.5]]
    assert place.framework.info(place.framework.rows(x, [])).shape == (0, 2)


def test_zeros_are_like_x(place):
    x = place.tensor([[1.0, np.nan]])
    zeros = place.framework.zeros_like(x)
    assert place.framework.info(zeros) == place.framework.info(x)
    assert place.values(zeros) == [[0.0, 0.0]]


def test_elements_are_counted_by_their_fate(place):
    count = place.framework.count
    x = place.tensor([2.0, 0.0, -0.0, 3.0, np.nan, np.inf, 2.0])
    assert count([x], 2.0) == Count(2, 2, 3)
    assert count([x, x], 2.0) == Count(4, 4, 6)
    assert count([x], 0.0) == Count(0, 2, 5)
    assert count([place.tensor([[1.0], [0.0]]), place.tensor([[0.0], [0.0]])], 1.0) == Count(1, 3, 0)
    assert count([place.framework.ones((0, 3), "float32", place.device)], 1.0) == Count(0, 0, 0)
    for dtype in dtypes(place):
        if not dtype.startswith("float8"):
            ones = place.framework.ones((3,), dtype, place.device)
            assert count([ones], 1.0) == Count(3, 0, 0)
            assert count([place.framework.add(ones, ones)], 1.0) == Count(0, 0, 3)
            assert count([place.framework.zeros_like(ones)], 1.0) == Count(0, 3, 0)


def test_a_value_that_the_dtype_rounds_is_counted_as_kept(place):
    third = place.tensor([1 / 3, 0.0])
    assert place.framework.count([third], float(np.float32(1 / 3))) == Count(1, 1, 0)


def test_the_first_element_that_is_not_zero(place):
    first = place.framework.first_nonzero
    assert first(place.tensor([0.0, -0.0, 1.25, 3.0])) == 1.25
    assert first(place.tensor([[0.0], [-2.0]])) == -2.0
    assert np.isnan(first(place.tensor([0.0, np.nan, 1.0])))
    assert first(place.tensor([0.0, 0.0])) == first(place.framework.ones((0,), "float32", place.device)) == 0.0


def test_a_seed_repeats_every_draw_and_another_does_not(place):
    drawn = []
    for seed in (5, 5, 6, 2**63 - 1):
        place.framework.seed(seed)
        drawn.append(place.values(place.draw()))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]
    assert place.values(place.draw()) != drawn[3]


def test_a_scope_leaves_no_trace(place):
    place.framework.seed(1)
    expected = place.values(place.draw())
    place.framework.seed(1)
    with place.framework.scope():
        place.framework.seed(99)
        place.draw()
        with place.framework.scope():
            place.draw()
    assert place.values(place.draw()) == expected


def test_not_even_where_what_is_in_it_raises(place):
    def fail():
        with place.framework.scope():
            place.draw()
            raise KeyError

    place.framework.seed(1)
    expected = place.values(place.draw())
    place.framework.seed(1)
    with pytest.raises(KeyError):
        fail()
    assert place.values(place.draw()) == expected
