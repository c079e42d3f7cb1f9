from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from droppath_reference import law
from droppath_reference.drop_path import GRANULARITIES, SCALINGS, drop_path, drop_path_residual

REAL_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
DTYPES = (*REAL_DTYPES, torch.complex64, torch.complex128)
DIALECTS = [(granularity, scaling) for granularity in GRANULARITIES for scaling in SCALINGS]


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def same_bits(a: Tensor, b: Tensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(a.contiguous().flatten().view(torch.uint8), b.contiguous().flatten().view(torch.uint8))


def special_values(dtype: torch.dtype) -> Tensor:
    info = torch.finfo(dtype)
    values = [0.0, -0.0, 1.0, -math.pi, info.max, -info.max, info.tiny, info.tiny * info.eps, math.inf, -math.inf]
    x = torch.tensor([*values, math.nan], dtype=torch.float64).to(dtype.to_real())
    return torch.complex(x, x.flip(0)) if dtype.is_complex else x


# Law of the mask


@pytest.mark.parametrize("drop_prob", [1e-3, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dtype", REAL_DTYPES, ids=name_of)
def test_samples_are_kept_with_keep_prob(dtype: torch.dtype, drop_prob: float) -> None:
    # Size 1e-9. A keep probability off by 9.2 sqrt(pq/2^20), 0.0045 at p = 0.5 and 0.00028 at p = 0.001, is seen with
    # power 0.999; a bfloat16 draw never drops at p = 0.001 and keeps 0.1016 at p = 0.9 (0.0027 are seen).
    x = torch.ones(2**16, 1, dtype=dtype)
    calls = 16
    kept = sum(int(drop_path(x, drop_prob, True).count_nonzero()) for _ in range(calls))
    assert stats.binomtest(kept, calls * x.shape[0], 1.0 - drop_prob).pvalue >= 1e-9


@pytest.mark.parametrize("granularity", ["batch", "element"])
def test_the_other_granularities_keep_with_keep_prob(granularity: str) -> None:
    # Size 1e-9. Batch: 4096 decisions see 0.061 with power 0.999; element: 2^18 decisions see 0.0077.
    x = torch.ones(256, 1024) if granularity == "element" else torch.ones(1, 1)
    calls = 1 if granularity == "element" else 4096
    kept = sum(int(drop_path(x, 0.25, True, granularity=granularity).count_nonzero()) for _ in range(calls))
    assert stats.binomtest(kept, calls * x.numel(), 0.75).pvalue >= 1e-9


class PlannedDraws(TorchFunctionMode):
    """Note the dtype that was asked for, and where numbers were prepared hand out these in place of random ones."""

    def __init__(self, draws: list[float] | None = None) -> None:
        super().__init__()
        self.draws = draws
        self.dtypes: list[torch.dtype] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in (torch.rand, torch.rand_like):
            return result
        self.dtypes.append(result.dtype)
        if self.draws is None:
            return result
        return torch.tensor(self.draws, dtype=result.dtype, device=result.device).reshape(result.shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("granularity", ["sample", "element"])
@pytest.mark.parametrize("drop_prob", [1e-12, 0.1, 1 / 3, 0.9, 1 - 2.0**-50])
def test_a_decision_resolves_53_bits_in_every_dtype(drop_prob: float, granularity: str, dtype: torch.dtype) -> None:
    keep_prob = 1.0 - drop_prob
    with PlannedDraws([math.nextafter(keep_prob, 0.0), keep_prob]) as planned:
        y = drop_path(torch.ones(2, 1, dtype=dtype), drop_prob, True, granularity=granularity, scaling="none")
    assert y.real.tolist() == [[1.0], [0.0]]
    assert planned.dtypes == [torch.float64]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize(
    ("device", "drawn"),
    [("cpu", torch.float64), ("cuda", torch.float64), ("meta", torch.float64), ("mps", torch.float32)],
)
def test_devices_draw_in_the_finest_dtype_they_have(device: str, drawn: torch.dtype, granularity: str) -> None:
    with FakeTensorMode(), PlannedDraws() as planned:
        y = drop_path(torch.empty(1, 1, device=device), 0.5, True, granularity=granularity)
    assert y.device.type == device
    assert planned.dtypes == [drawn]


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_devices_without_float64_draw_float32(monkeypatch: pytest.MonkeyPatch, granularity: str) -> None:
    monkeypatch.setattr("droppath_reference.drop_path.FLOAT64_DEVICES", ("cuda",))
    with PlannedDraws([0.25]) as planned:
        drop_path(torch.ones(1, 1, dtype=torch.float64), 0.5, True, granularity=granularity)
    assert planned.dtypes == [torch.float32]


@pytest.mark.parametrize("shape", [(64,), (64, 5), (64, 2, 3), (64, 2, 1, 3), (64, 1, 2, 2, 2)])
def test_one_decision_covers_one_sample_at_every_rank(shape: tuple[int, ...]) -> None:
    y = drop_path(torch.ones(shape), 0.5, True).reshape(64, -1)
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert set(y[:, 0].tolist()) == {0.0, 2.0}


def test_one_decision_covers_the_whole_batch_where_asked_for() -> None:
    outcomes = {tuple(drop_path(torch.ones(4, 3), 0.5, True, granularity="batch").unique()) for _ in range(64)}
    assert {tuple(float(v) for v in outcome) for outcome in outcomes} == {(0.0,), (2.0,)}


def test_every_element_decides_for_itself_where_asked_for() -> None:
    y = drop_path(torch.ones(64, 64), 0.5, True, granularity="element")
    assert (y.var(dim=1) > 0).all()
    assert (y.var(dim=0) > 0).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
def test_rank_zero_is_one_decision(dtype: torch.dtype) -> None:
    outputs = [drop_path(torch.tensor(3.0, dtype=dtype), 0.5, True) for _ in range(64)]
    assert {y.item() for y in outputs} == {0.0, 6.0}
    assert {(y.dtype, y.shape) for y in outputs} == {(dtype, ())}


# Values


@pytest.mark.parametrize("drop_prob", [1e-3, 0.1, 1 / 3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dtype", REAL_DTYPES, ids=name_of)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_kept_values_and_gradients_lie_within_the_law(dtype: torch.dtype, drop_prob: float, scaling: str) -> None:
    # Every value is a sample of its own: at p = 0.999 fewer than 100 of them are kept once in 1e14 runs.
    significands = torch.linspace(1, 2, 1025, dtype=torch.float64).repeat(100)
    x = torch.cat([significands, -torch.rand(100_000, dtype=torch.float64)]).to(dtype).requires_grad_()
    y = drop_path(x, drop_prob, True, scaling=scaling)
    (gradient,) = torch.autograd.grad(y, x, x.detach())
    kept = y.detach() != 0
    assert kept.sum() > 100
    value = x.detach()[kept].double().numpy()
    for got, interval in ((y.detach(), law.kept_interval), (gradient, law.gradient_interval)):
        low, high = interval(value, drop_prob, name_of(dtype), scaling=scaling)
        row = got[kept].double().numpy()
        assert np.all((low <= row) & (row <= high))
        assert not got[~kept].any()


def test_complex_values_are_scaled_part_by_part() -> None:
    x = torch.complex(torch.tensor([math.inf, 1.0, -0.0]), torch.tensor([3.0, math.nan, 6.0])).expand(64, 3)
    y = drop_path(x, 0.5, True)
    kept = y[y[:, 2] != 0][0]
    assert torch.equal(kept.real, torch.tensor([math.inf, 2.0, 0.0]))
    assert torch.equal(kept.imag[::2], torch.tensor([6.0, 12.0]))
    assert kept.imag[1].isnan()
    in_evaluation = drop_path(x.conj(), 0.5, False, scaling="eval")[0]
    assert torch.equal(in_evaluation.real, torch.tensor([math.inf, 0.5, 0.0]))
    assert torch.equal(in_evaluation.imag[::2], torch.tensor([-1.5, -3.0]))


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(("granularity", "scaling"), DIALECTS)
def test_dropped_samples_are_positive_zero_whatever_they_hold(
    dtype: torch.dtype, granularity: str, scaling: str
) -> None:
    x = special_values(dtype).expand(8, -1)
    for drop_prob in (1.0, 1 - 2.0**-53):
        y = drop_path(x, drop_prob, True, granularity=granularity, scaling=scaling)
        assert same_bits(y, torch.zeros(x.shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("drop_prob", [0.5, 1.0, 1 - 2.0**-53])
def test_gradients_of_dropped_samples_are_zero_whatever_flows_back(
    dtype: torch.dtype, scaling: str, drop_prob: float
) -> None:
    values = special_values(dtype)
    x = values.expand(64, -1).clone().requires_grad_()
    y = drop_path(x, drop_prob, True, scaling=scaling)
    (gradient,) = torch.autograd.grad(y, x, values.flip(0).expand(64, -1))
    dropped = y.detach()[:, 2] == 0
    assert dropped.any()
    assert same_bits(gradient[dropped].abs(), torch.zeros_like(gradient[dropped].abs()))


def test_a_fully_dropped_batch_stays_in_the_graph() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    y = drop_path(x, 1.0, True)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(4, 3))


def test_the_gradient_follows_the_mask_of_the_forward_pass() -> None:
    x = torch.ones(256, 3, requires_grad=True)
    y = drop_path(x, 0.3, True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


# Identity, evaluation


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize(("granularity", "scaling"), DIALECTS)
def test_zero_drop_prob_returns_the_input_bit_for_bit(dtype: torch.dtype, granularity: str, scaling: str) -> None:
    x = special_values(dtype)
    for training in (True, False):
        assert same_bits(drop_path(x, 0.0, training, granularity=granularity, scaling=scaling), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
@pytest.mark.parametrize("scaling", ["inverted", "none"])
@pytest.mark.parametrize("drop_prob", [0.1, 1.0])
def test_evaluation_returns_the_input_bit_for_bit(dtype: torch.dtype, scaling: str, drop_prob: float) -> None:
    x = special_values(dtype)
    assert same_bits(drop_path(x, drop_prob, False, scaling=scaling), x)


@pytest.mark.parametrize("dtype", REAL_DTYPES, ids=name_of)
@pytest.mark.parametrize("drop_prob", [0.1, 0.5, 1.0])
def test_evaluation_of_the_original_form_multiplies_by_keep_prob(dtype: torch.dtype, drop_prob: float) -> None:
    x = torch.cat([torch.randn(500, dtype=torch.float64).to(dtype), special_values(dtype)[:5]])
    y = drop_path(x, drop_prob, False, scaling="eval")
    low, high = law.evaluation_interval(x.double().numpy(), drop_prob, name_of(dtype), scaling="eval")
    assert y.dtype == dtype
    assert np.all((low <= y.double().numpy()) & (y.double().numpy() <= high))


def test_evaluation_and_zero_drop_prob_draw_no_random_numbers() -> None:
    x = torch.ones(8, 3)
    before = torch.get_rng_state()
    for scaling in SCALINGS:
        drop_path(x, 0.5, False, scaling=scaling)
        drop_path(x, 0.0, True, scaling=scaling)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_draws_from_the_generator_of_torch_and_from_no_other() -> None:
    states = (random.getstate(), np.random.get_state()[1].tobytes())
    x = torch.ones(512, 1)
    torch.manual_seed(5)
    first = drop_path(x, 0.5, True)
    assert not torch.equal(drop_path(x, 0.5, True), first)
    torch.manual_seed(5)
    assert torch.equal(drop_path(x, 0.5, True), first)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == states


# Form of the output


def layouts() -> dict[str, Tensor]:
    return {
        "contiguous": torch.randn(4, 3, 5, 6),
        "channels_last": torch.randn(4, 3, 5, 6).to(memory_format=torch.channels_last),
        "channels_last_3d": torch.randn(2, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d),
        "transposed": torch.randn(6, 4).T,
        "permuted": torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2),
        "expanded": torch.randn(4, 1, 3).expand(4, 5, 3),
        "sliced": torch.randn(8, 6)[::2, 1::3],
        "empty batch": torch.randn(0, 3),
        "no features": torch.randn(3, 0, 2),
        "one sample": torch.randn(1, 5),
        "vector": torch.randn(7),
    }


@pytest.mark.parametrize("name", layouts())
@pytest.mark.parametrize(("granularity", "scaling"), DIALECTS)
def test_shape_dtype_strides_and_input_survive(name: str, granularity: str, scaling: str) -> None:
    for dtype in DTYPES:
        x = layouts()[name].to(dtype)
        before, version = x.clone(), x._version
        for training in (True, False):
            y = drop_path(x, 0.5, training, granularity=granularity, scaling=scaling)
            assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
            if y is not x:
                assert y.stride() == torch.empty_like(x).stride()
        assert torch.equal(x, before)
        assert x._version == version


def test_nothing_is_refused_for_want_of_a_rank() -> None:
    x = torch.randn([1] * 8)
    assert drop_path(x, 0.5, True).shape == x.shape


def test_by_default_nothing_is_dropped_and_what_is_dropped_otherwise_is_a_scaled_sample() -> None:
    x, branch = torch.randn(64, 3), torch.randn(64, 3)
    assert drop_path(x, training=True) is x
    assert drop_path(x, 0.5) is x
    assert torch.equal(drop_path_residual(x, branch, training=True), x + branch)
    assert torch.equal(drop_path_residual(x, branch, 0.5), x + branch)
    torch.manual_seed(1)
    y = drop_path_residual(x, branch, 0.5, True)
    torch.manual_seed(1)
    assert torch.equal(y, x + drop_path(branch, 0.5, True, granularity="sample", scaling="inverted"))


@pytest.mark.parametrize("option", ["granularity", "scaling"])
def test_an_unknown_option_is_refused_by_its_name(option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option} must be one of .*, got 'row'"):
        drop_path(torch.ones(3), 0.1, **{option: "row"})


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("training", [True, False])
def test_integer_and_boolean_input_is_refused(dtype: torch.dtype, training: bool) -> None:
    with pytest.raises(TypeError, match=str(dtype)):
        drop_path(torch.ones(3, dtype=dtype), 0.0, training)
