"""What is particular to NumPy among frameworks; what all of them owe is in the tests of laws."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from droppath_audit.frameworks.base import TensorInfo
from droppath_audit.frameworks.capabilities import names_of
from droppath_audit.frameworks.numpy.operations import NumpyFramework
from droppath_audit.frameworks.numpy.spelling import NumpySpelling

SHAPES = [(), (1,), (5,), (0, 3), (4, 3), (2, 3, 1), (2, 3, 4, 5)]


@pytest.fixture
def framework():
    framework = NumpyFramework()
    with framework.scope():
        yield framework


def evaluated(expression, **names):
    return eval(expression, {"np": np, **names})  # noqa: S307


def test_it_says_what_it_can_do_beyond_the_base(framework):
    assert names_of(framework) == ("Forking", "Generators", "Keys", "Layouts", "Sources")


def test_a_long_double_is_no_dtype_where_it_is_wider_than_what_crosses(framework):
    assert framework.dtypes("cpu") == ("complex128", "complex64", "float16", "float32", "float64")


@pytest.mark.parametrize("device", ["cuda", "cpu:0", "gpu"])
def test_there_is_one_device(framework, device):
    with pytest.raises(ValueError, match="cpu alone"):
        framework.tensor(np.ones(2), "float32", device)


def test_values_become_infinite_in_silence_outside_a_scope_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(NumpyFramework().tensor(np.array([1e9]), "float16", "cpu")).all()


def test_the_scalars_that_arithmetic_leaves_are_tensors(framework):
    scalar = -framework.tensor(np.array(-5.0), "float32", "cpu")
    assert isinstance(scalar, np.float32)
    assert framework.info(scalar) == TensorInfo((), "float32", "cpu")
    assert framework.numpy(scalar).dtype == np.float64
    assert framework.numpy(scalar) == 5.0
    assert framework.bits(scalar).tobytes() == np.float32(5).tobytes()
    assert framework.strides(scalar) == ()


@pytest.mark.parametrize("other", [1.0, [1.0], None, True])
def test_what_is_no_array_is_refused(framework, other):
    with pytest.raises(TypeError, match="not an array"):
        framework.info(other)
    with pytest.raises(TypeError, match="not an array"):
        framework.numpy(other)


def test_bits_are_those_of_the_moment(framework):
    x = framework.ones((3,), "float32", "cpu")
    before = framework.bits(x)
    x += 1
    assert not np.array_equal(before, framework.bits(x))


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**32, 2**63 - 1])
def test_every_seed_up_to_64_bits_is_one_of_its_own(framework, seed):
    drawn = []
    for each in (seed, seed, seed + 2**32):
        framework.seed(each)
        drawn.append((np.random.random(), framework.key("cpu").random()))
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0]
    assert drawn[0][1] != drawn[2][1]


def test_no_two_keys_are_alike_and_a_scope_gives_them_again(framework):
    framework.seed(3)
    framework.key("cpu")
    with framework.scope():
        inside = [framework.key("cpu").random() for _ in range(50)]
        framework.seed(4)
        framework.key("cpu")
    assert [framework.key("cpu").random() for _ in range(50)] == inside
    assert len(set(inside)) == 50


def test_a_scope_restores_the_generator_with_its_spare_normal_value_and_the_handling_of_errors():
    framework = NumpyFramework()
    np.random.seed(5)
    np.random.standard_normal()  # of two that are made at once
    state, handling = framework.generator_state("cpu"), np.geterr()
    with framework.scope():
        framework.seed(6)
        np.random.standard_normal()
        assert framework.generator_state("cpu") != state
        np.seterr(all="raise")
    assert framework.generator_state("cpu") == state
    assert np.geterr() == handling


def test_the_state_counts_the_spare_normal_value(framework):
    framework.seed(7)
    np.random.standard_normal()
    state = framework.generator_state("cpu")
    np.random.standard_normal()
    assert framework.generator_state("cpu") != state


def test_a_scope_is_silent_about_infinities():
    with warnings.catch_warnings(), NumpyFramework().scope():
        warnings.simplefilter("error")
        assert np.isnan(np.array(np.inf) * 0)


@pytest.mark.parametrize("layout", [layout for layout in NumpyFramework.layouts if layout != "expanded"])
def test_a_sum_with_zeros_like_x_has_the_strides_of_x(framework, layout):
    x = framework.laid_out(np.ones((2, 3, 4)), "float32", "cpu", layout)
    assert framework.strides(framework.add(framework.zeros_like(x), x)) == framework.strides(x)


@pytest.mark.parametrize(
    ("layout", "strides", "kept"),
    [
        ("contiguous", (12, 4, 1), (12, 4, 1)),
        ("transposed", (1, 2, 6), (1, 2, 6)),
        ("sliced", (24, 8, 2), (12, 4, 1)),
        ("offset", (12, 4, 1), (12, 4, 1)),
        ("expanded", (12, 4, 0), (12, 4, 1)),
        ("reversed", (-12, -4, -1), (12, 4, 1)),
    ],
)
def test_a_layout_has_the_strides_of_its_name(framework, layout, strides, kept):
    values = np.arange(24.0).reshape(2, 3, 4)
    x = framework.laid_out(values, "float32", "cpu", layout)
    assert tuple(stride // 4 for stride in x.strides) == strides
    assert framework.strides(x) == kept
    expected = np.broadcast_to(values[..., :1], values.shape) if layout == "expanded" else values
    np.testing.assert_array_equal(x, expected)


def test_the_offset_layout_does_not_begin_where_its_memory_does(framework):
    x = framework.laid_out(np.ones((2, 3)), "float32", "cpu", "offset")
    assert x.__array_interface__["data"][0] - x.base.__array_interface__["data"][0] == 3 * 4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", NumpyFramework.layouts)
@pytest.mark.parametrize("dtype", ["float16", "complex64"])
def test_a_layout_is_spelled_as_it_is_made(framework, layout, shape, dtype):
    values = np.random.default_rng(0).standard_normal(shape)
    made = framework.laid_out(values, dtype, "cpu", layout)
    spelled = evaluated(NumpySpelling().layout("x", layout), x=framework.tensor(values, dtype, "cpu"))
    assert framework.info(made) == framework.info(spelled) == TensorInfo(shape, dtype, "cpu")
    np.testing.assert_array_equal(made, spelled)
    if not made.size:
        return
    assert made.strides == spelled.strides
    strides = evaluated(NumpySpelling().strides("x"), x=spelled)
    assert len(strides) == sum(size > 1 for size in shape)
    assert [stride // made.itemsize for stride in strides] == [stride for stride in framework.strides(made) if stride]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_values_are_spelled_as_they_cross(framework, dtype):
    spelling = NumpySpelling()
    x = evaluated(spelling.literal("[1.5, float('nan'), -0.0, 2]", "(2, 2)", dtype, "'cpu'"))
    assert framework.info(x) == TensorInfo((2, 2), dtype, "cpu")
    for tensor, known in itertools.product((x, x[0, 0], x[:0]), ("", dtype)):
        values = evaluated(spelling.array("x", known), x=tensor)
        assert values.dtype == framework.numpy(tensor).dtype
        np.testing.assert_array_equal(values, framework.numpy(tensor))
    assert evaluated(spelling.info("x"), x=x) == ((2, 2), np.dtype(dtype))
    ones = evaluated(spelling.ones("(2, 3)", dtype, "'cpu'"))
    np.testing.assert_array_equal(ones, framework.ones((2, 3), dtype, "cpu"))
    assert framework.info(evaluated(spelling.random("(4, 3)", dtype, "'cpu'"))) == TensorInfo((4, 3), dtype, "cpu")


@pytest.mark.parametrize("dtype", ["", "float64"])
def test_the_spelled_array_is_no_view_of_what_a_call_may_write_to(dtype):
    x = np.ones(3)
    before = evaluated(NumpySpelling().array("x", dtype), x=x)
    x *= 2
    assert (before == 1).all()


@pytest.mark.parametrize("dtype", ["", "float32"])
def test_a_call_whose_output_is_read_is_made_once(dtype):
    calls = []
    evaluated(NumpySpelling().array("layer(1)", dtype), layer=lambda x: calls.append(x) or np.ones(3))
    assert calls == [1]


def test_seeds_and_keys_are_spelled(framework):
    exec(NumpySpelling().seed("11"), {"np": np})  # noqa: S102
    spelled = np.random.random()
    framework.seed(11)
    assert np.random.random() == spelled
    assert isinstance(evaluated(NumpySpelling().key("seed"), seed=3), np.random.Generator)
