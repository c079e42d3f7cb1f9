"""The paddle adapter: what it claims, and every operation against expectations made by hand."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # paddle's import misses a compiler cache, aloud
    paddle = pytest.importorskip("paddle")

from droppath_audit.core.errors import NotApplicable, TargetRaised, UsageError
from droppath_audit.frameworks import adapter_for, spelling_of
from droppath_audit.frameworks.base import Count, TensorInfo
from droppath_audit.frameworks.paddle.adapter import ADAPTER
from droppath_audit.frameworks.paddle.operations import PaddleFramework
from droppath_audit.targets.bound import BoundTarget
from droppath_audit.targets.loader import _import_file, load, load_object

FILE = Path(__file__).with_name("paddle_layers.py")
LAYERS = _import_file(str(FILE))
DTYPES = ("float64", "float32", "complex64", "complex128")


@pytest.fixture(scope="module")
def framework() -> PaddleFramework:
    return PaddleFramework()


def tensor(*values, dtype="float64"):
    return paddle.to_tensor(list(values), dtype=dtype)


def claims(obj):
    return adapter_for(obj) is ADAPTER


class TestClaims:
    @pytest.mark.parametrize("name", ["sound", "Sound", "make", "Plain", "residual", "gradient_without_factor"])
    def test_layers_functions_factories_and_plain_classes_that_name_paddle(self, name):
        assert adapter_for(getattr(LAYERS, name)) is ADAPTER

    def test_instances_and_partials(self):
        assert claims(LAYERS.Sound(0.5))
        assert claims(LAYERS.Plain(0.5))
        assert claims(partial(LAYERS.sound, drop_prob=0.5))
        assert claims(partial(LAYERS.Sound, drop_prob=0.5))
        assert claims(LAYERS.Sound(0.5).forward)
        assert claims(paddle.nn.functional.dropout)
        assert claims(paddle.nn.Dropout)

    def test_a_function_that_names_paddle_only_through_one_it_calls(self):
        helper = function("def helper(x):\n    return paddle.floor(x)", paddle=paddle)
        caller = function("def caller(x, drop_prob, training):\n    return helper(x)", helper=helper)
        assert claims(caller)

    def test_a_function_that_names_paddle_only_inside_a_function_inside_it(self):
        source = "def outer(p):\n    return lambda x, training: paddle.floor(x)"
        outer = function(source, paddle=paddle, torch=module("torch"))
        assert claims(outer)

    def test_a_closure_over_a_layer(self):
        def enclosing(layer):
            return lambda x, training: layer(x)

        assert claims(enclosing(LAYERS.Sound(0.5)))

    def test_a_function_that_names_nothing_goes_by_its_module(self):
        source = "def identity(x, drop_prob, training):\n    return x"
        assert claims(function(source, paddle=paddle))
        assert not claims(function(source))
        assert not claims(function(source, paddle=paddle, torch=module("torch")))

    def test_of_a_module_that_holds_both_frameworks_each_has_its_own(self):
        names = {"paddle": paddle, "torch": module("torch")}
        assert claims(function("def f(x):\n    return paddle.floor(x)", **names))
        assert not claims(function("def f(x):\n    return torch.floor(x)", **names))
        assert not claims(function("def f(x):\n    return torch.floor(paddle.floor(x))", **names))

    def test_a_package_whose_name_begins_like_paddle_is_not_paddle(self):
        assert not claims(function("def f(x):\n    return paddles(x)", paddles=module("paddles")))

    def test_functions_that_call_each_other_come_to_an_end(self):
        first = function("def first(x):\n    return second(x)")
        first.__globals__["second"] = function("def second(x):\n    return first(x)", first=first)
        assert not claims(first)

    def test_the_spec_overrides_what_the_code_says(self, tmp_path):
        file = tmp_path / "silent.py"
        file.write_text("def silent(x, drop_prob, training):\n    return x\n")
        assert load(f"{file}:silent?framework=paddle").facts.framework == "paddle"
        with pytest.raises(UsageError, match=r"framework=padle is not known; .*[Dd]id you mean.*paddle"):
            load(f"{file}:silent?framework=padle")


def function(source, **names):
    exec(source, names)  # noqa: S102
    return next(value for name, value in names.items() if name == source[4 : source.index("(")])


def module(name):
    return type(sys)(name)


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class TestTensors:
    def test_the_cpu_has_the_dtypes_in_which_its_kernels_add_multiply_and_divide(self, framework):
        assert set(framework.dtypes("cpu")) == set(DTYPES)
        with pytest.raises(RuntimeError, match="float16"):  # or else the experiment has something to find
            paddle.ones([1], "float16") + paddle.ones([1], "float16")
        with pytest.raises(RuntimeError, match="bfloat16"):
            paddle.ones([1], "bfloat16") + paddle.ones([1], "bfloat16")

    @pytest.mark.parametrize("layout", PaddleFramework.layouts)
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(), (1,), (5,), (0,), (3, 0), (0, 4), (2, 3), (2, 3, 4, 5), (2,) * 8, (1,) * 8])
    def test_values_survive_every_layout_in_every_shape(self, framework, shape, dtype, layout):
        values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
        made = framework.laid_out(values, dtype, "cpu", layout)
        assert framework.info(made) == TensorInfo(shape, dtype, "cpu")
        assert np.array_equal(framework.numpy(made), values)
        assert framework.numpy(made).dtype == (np.complex128 if dtype.startswith("complex") else np.float64)

    def test_layouts_have_the_strides_they_are_named_for(self, framework):
        values = np.zeros((2, 3, 4))
        strides = {name: framework.laid_out(values, "float32", "cpu", name).strides for name in framework.layouts}
        assert strides == {
            "contiguous": [12, 4, 1], "transposed": [1, 2, 6], "sliced": [24, 8, 2], "offset": [12, 4, 1],
        }  # fmt: skip
        addresses = [
            framework.laid_out(values, "float32", "cpu", name).data_ptr() % 16 for name in ("contiguous", "offset")
        ]
        assert addresses == [0, 12]

    @pytest.mark.parametrize("layout", PaddleFramework.layouts[1:])
    @pytest.mark.parametrize("shape", [(5,), (2, 3), (2,) * 8])
    def test_a_script_gives_a_literal_the_same_strides(self, framework, shape, layout):
        values = np.arange(float(np.prod(shape))).reshape(shape)
        spelling = spelling_of("paddle")
        literal = spelling.literal(repr(values.reshape(-1).tolist()), repr(shape), "float64", "'cpu'")
        names = {"paddle": paddle}
        exec(f"x = {literal}\nx = {spelling.layout('x', layout)}", names)  # noqa: S102
        expected = framework.laid_out(values, "float64", "cpu", layout)
        assert names["x"].strides == expected.strides
        assert np.array_equal(names["x"].numpy(), values)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_special_values_keep_their_bits(self, framework, dtype):
        values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max])
        made = framework.tensor(values, dtype, "cpu")
        assert np.array_equal(framework.bits(made).view(dtype).view(f"u{np.dtype(dtype).itemsize}"),
                              values.astype(dtype).view(f"u{np.dtype(dtype).itemsize}"))  # fmt: skip
        assert np.array_equal(framework.numpy(made), values, equal_nan=True)

    def test_bfloat16_and_float8_cross_exactly(self, framework):
        values = np.array([1.0, -1.109375, 2.0**-126, 3.3895313892515355e38])
        assert np.array_equal(framework.numpy(paddle.to_tensor(values).astype("bfloat16")), values)
        assert np.array_equal(framework.numpy(paddle.to_tensor([1.5, -448.0]).astype("float8_e4m3fn")), [1.5, -448.0])

    def test_bits_are_in_logical_order(self, framework):
        values = np.arange(6.0).reshape(2, 3)
        for layout in framework.layouts:
            bits = framework.bits(framework.laid_out(values, "float64", "cpu", layout))
            assert np.array_equal(bits.view(np.float64), np.arange(6.0))
        assert framework.bits(framework.ones((), "float32", "cpu")).view(np.float32) == [1.0]

    @pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
    def test_integers_and_truth_values(self, framework, dtype):
        made = framework.tensor(np.full((2,), 3.0), dtype, "cpu")
        assert framework.info(made).dtype == dtype
        assert framework.numpy(made).tolist() == [1.0, 1.0] if dtype == "bool" else [3.0, 3.0]

    def test_what_is_no_tensor_is_refused(self, framework):
        with pytest.raises(TypeError, match="the target returned ndarray, not a tensor"):
            framework.info(np.ones(3))

    def test_writes_are_counted(self, framework):
        x = paddle.ones([3])
        before = framework.version(x)
        x.add_(x)
        assert framework.version(x) == before + 1
        x * 2
        assert framework.version(x) == before + 1

    def test_strides_that_paddle_changes_itself_are_not_judged(self, framework):
        assert framework.strides(paddle.ones([2, 1, 3])) == (3, 0, 1)
        with pytest.raises(NotApplicable, match="leave contiguous tensors"):
            framework.strides(framework.laid_out(np.ones((2, 3)), "float64", "cpu", "transposed"))

    def test_zeros_are_outside_any_graph(self, framework):
        x = tensor(1.0, 2.0, dtype="float32")
        x.stop_gradient = False
        zeros = framework.zeros_like(x)
        assert (zeros.tolist(), zeros.stop_gradient, framework.info(zeros)) == ([0.0, 0.0], True, framework.info(x))


class TestCounting:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_kept_dropped_and_neither(self, framework, dtype):
        x = tensor(2.0, 0.0, -0.0, 3.0, 2.0, float("nan"), dtype=dtype)
        assert framework.count([x], 2.0) == Count(2, 2, 2)
        assert framework.count([x, x], 3.0) == Count(2, 4, 6)
        assert framework.count([x], 0.0) == Count(0, 2, 4)

    def test_a_value_that_the_dtype_rounds_is_found(self, framework):
        third = 1.0 / 3.0
        assert framework.count([tensor(third, dtype="float32")], float(np.float32(third))) == Count(1, 0, 0)

    def test_strided_tensors_and_scalars(self, framework):
        x = framework.laid_out(np.array([[1.0, 0.0], [1.0, 5.0]]), "float64", "cpu", "transposed")
        assert framework.count([x], 1.0) == Count(2, 1, 1)
        assert framework.count([framework.ones((), "float64", "cpu")] * 3, 1.0) == Count(3, 0, 0)

    def test_the_first_element_that_is_not_zero(self, framework):
        assert framework.first_nonzero(tensor(0.0, -0.0, 1.25, 3.0)) == 1.25
        assert np.isnan(framework.first_nonzero(tensor(0.0, float("nan"))))
        assert framework.first_nonzero(tensor(0.0, 0.0)) == 0.0
        assert framework.first_nonzero(paddle.ones([0, 3])) == 0.0


def layer_of(function, drop_prob=0.5):
    loaded = load(f"{FILE}:sound")
    return BoundTarget(function, loaded.target.binding, loaded.target.framework).make(drop_prob)


class TestGradients:
    def test_of_a_square(self, framework):
        square = layer_of(lambda x, drop_prob, training: x * x)
        result = framework.gradient(square, tensor(3.0, -1.0), tensor(1.0, 10.0))
        assert (result.output.tolist(), result.gradient.tolist(), result.reason) == ([9.0, 1.0], [6.0, -20.0], "")

    def test_of_a_layer_that_writes_to_what_it_is_given(self, framework):
        # x is no leaf, as inside a network; a leaf could not be written to.
        doubled = layer_of(lambda x, drop_prob, training: x.scale_(2.0))
        assert framework.gradient(doubled, tensor(1.0), tensor(1.0)).gradient.tolist() == [2.0]

    def test_none_where_the_output_is_no_part_of_a_graph(self, framework):
        detached = layer_of(lambda x, drop_prob, training: x.detach())
        assert framework.gradient(detached, tensor(1.0), tensor(1.0)).reason == (
            "the output does not require a gradient"
        )

    def test_none_where_the_graph_does_not_reach_x(self, framework):
        other = paddle.ones([1], "float64")
        other.stop_gradient = False
        elsewhere = layer_of(lambda x, drop_prob, training: other * 2.0)
        assert framework.gradient(elsewhere, tensor(1.0), tensor(1.0)).reason == "the graph does not reach x"

    def test_also_where_gradients_are_off(self, framework):
        with paddle.no_grad():
            result = framework.gradient(layer_of(lambda x, drop_prob, training: 2.0 * x), tensor(1.0), tensor(1.0))
        assert result.gradient.tolist() == [2.0]

    def test_what_the_backward_pass_raises_is_the_targets(self, framework):
        with pytest.raises(TargetRaised, match="OSError"):  # paddle's name for what Python raised in its C++
            framework.gradient(layer_of(LAYERS.raises_in_backward), tensor(1.0), tensor(1.0))

    @pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4), ()])
    def test_of_small_tensors(self, framework, shape):
        x = framework.ones(shape, "float64", "cpu")
        result = framework.gradient(layer_of(LAYERS.sound), x, x)
        assert framework.info(result.gradient) == framework.info(x)

    @pytest.mark.parametrize("drop_prob", [0.0, 0.5, 1.0])
    def test_finite_differences_agree_with_a_sound_layer(self, framework, drop_prob):
        layer = layer_of(LAYERS.sound, drop_prob)
        assert framework.gradcheck(layer, tensor(1.5, 0.0, -2.0, 0.25), seed=3) == ""

    def test_and_not_with_a_backward_pass_that_forgets_the_factor(self, framework):
        layer = layer_of(LAYERS.gradient_without_factor, 0.2)
        complaint = framework.gradcheck(layer, tensor(*[1.0] * 16), seed=3)
        assert "has the gradient 1, its finite difference 1.25" in complaint

    def test_nor_with_nan(self, framework):
        assert "nan" in framework.gradcheck(layer_of(LAYERS.divides_by_zero, 1.0), tensor(1.0, 2.0), seed=3)


class TestRandomness:
    def test_a_seed_repeats_and_another_does_not(self, framework):
        drawn = []
        for seed in (5, 5, 6, 2**63 - 1):
            framework.seed(seed)
            drawn.append(paddle.rand([8]).tolist())
        assert drawn[0] == drawn[1]
        assert drawn[0] != drawn[2]
        assert drawn[0] != drawn[3]

    @pytest.mark.parametrize(
        "draw",
        [
            lambda: paddle.rand([3]),
            lambda: paddle.randn([3]),
            lambda: paddle.randint(0, 9, [3]),
            lambda: paddle.bernoulli(paddle.full([3], 0.5)),
            lambda: paddle.ones([3]).uniform_(),
            lambda: paddle.nn.functional.dropout(paddle.ones([3]), 0.5),
        ],
    )
    def test_every_draw_moves_the_state(self, framework, draw):
        before = framework.generator_state("cpu")
        assert framework.generator_state("cpu") == before
        draw()
        assert framework.generator_state("cpu") != before

    def test_nothing_else_does(self, framework):
        before = framework.generator_state("cpu")
        np.random.random(), random.random(), paddle.ones([3]) * 2.0  # noqa: S311
        assert framework.generator_state("cpu") == before

    def test_the_scope_restores_generator_gradient_mode_and_default_dtype(self, framework):
        paddle.seed(1)
        before = framework.generator_state("cpu")
        expected = paddle.rand([4]).tolist()
        paddle.seed(1)
        with framework.scope():
            framework.seed(99)
            paddle.rand([1000])
            paddle.set_default_dtype("float64")
            paddle.set_grad_enabled(False)
        assert framework.generator_state("cpu") == before
        assert paddle.rand([4]).tolist() == expected
        assert paddle.get_default_dtype() == "float32"
        assert paddle.is_grad_enabled()


class TestLayers:
    def test_modes_containers_and_what_is_stored(self, framework):
        layer = load_object(LAYERS.Sound, {}).target.make(0.5)
        assert framework.is_layer(LAYERS.Sound(0.5))
        assert layer.nest()
        x = tensor(1.0, 2.0)
        assert layer(x, training=False).tolist() == [1.0, 2.0]
        assert layer.stored() == ()
        assert framework.stored(LAYERS.StoresItsProbability(0.5)) == ("rate",)

    def test_what_is_no_layer_has_no_container_and_no_dtype(self):
        plain = load_object(LAYERS.Plain, {}).target.make(0.5)
        assert not plain.nest()
        assert plain.stored() == ()
        with pytest.raises(NotApplicable, match="no layer"):
            plain.convert("float64", "cpu")

    def test_a_branch_is_a_layer(self, framework):
        branch = framework.branch(lambda x: 3.0 * x)
        assert isinstance(branch, paddle.nn.Layer)
        assert branch(tensor(1.0)).tolist() == [3.0]

    def test_surroundings_are_what_a_build_for_the_cpu_has(self, framework):
        assert "no_grad" in framework.surroundings
        assert "inference_mode" not in framework.surroundings
        assert ("autocast" in framework.surroundings) == paddle.is_compiled_with_cuda()
        with framework.surround("no_grad", "cpu"):
            assert not paddle.is_grad_enabled()
        assert paddle.is_grad_enabled()

    @pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="this build has a GPU to name")
    @pytest.mark.parametrize("device", ["cuda", "gpu:0", "nonsense"])
    def test_a_device_that_is_not_here_is_an_error(self, device):
        with pytest.raises(UsageError, match=f"The device '{device}' is not available to paddle"):
            load(f"{FILE}:sound", devices=(device,))

    def test_facts(self):
        facts = load(f"{FILE}:Sound").facts
        assert (facts.framework, facts.framework_version, facts.kind) == ("paddle", paddle.__version__, "class")
        assert set(facts.devices) == {"cpu"}
        assert facts.environment["paddle"] == paddle.__version__

    def test_a_process_that_computed_can_be_forked(self, framework):
        # As the worker does after loading; a child that deadlocks is the operating system's to end.
        assert framework.can_fork() == (paddle.get_device() == "cpu")
        (paddle.rand([512, 512]) @ paddle.rand([512, 512])).sum()
        code = (
            "import os, signal, warnings; warnings.simplefilter('ignore'); import paddle\n"
            "product = paddle.rand([512, 512]) @ paddle.rand([512, 512])\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    signal.alarm(60); x = paddle.rand([512, 512]); x.stop_gradient = False\n"
            "    ((x @ x) * 2).sum().backward(); os._exit(0 if x.grad is not None else 1)\n"
            "assert os.waitpid(child, 0)[1] == 0"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
