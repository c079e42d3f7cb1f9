from __future__ import annotations

import bisect
import math
import subprocess
import sys
from fractions import Fraction
from functools import partial
from typing import get_type_hints

import numpy as np
import pytest
import torch
from scipy import stats

from droppath_reference import law

SMALL_FORMATS = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
DROP_PROBS = (1e-7, 1e-3, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.999, 1 - 1e-7)


def finite_values(dtype: str) -> np.ndarray:
    """Every finite number of a format of 8 or 16 bits, ascending, from torch."""
    torch_dtype = getattr(torch, dtype)
    if torch_dtype.itemsize == 1:
        bits = torch.arange(256, dtype=torch.uint8)
    else:
        bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    values = bits.view(torch_dtype).double().numpy()
    return np.unique(values[np.isfinite(values)])


def nearest(value: Fraction, grid: list[float], precision_bits: int) -> float:
    """Round to nearest even by searching the numbers of the format; past the last one, half a step on, inf."""
    if value < 0:
        return -nearest(-value, grid, precision_bits)
    step = Fraction(grid[-1]) - Fraction(grid[-2])
    past = Fraction(grid[-1]) + step
    above = bisect.bisect_left(grid, value)
    upper = Fraction(grid[above]) if above < len(grid) else past
    if upper == value:
        return float(upper)
    lower = Fraction(grid[above - 1]) if value < past else past
    if value - lower < upper - value:
        chosen = lower
    elif value - lower > upper - value:
        chosen = upper
    else:
        chosen = lower if is_even(lower, grid) else upper
    return math.inf if chosen >= past else float(chosen)


def is_even(value: Fraction, grid: list[float]) -> bool:
    # The non-negative numbers of a format are ordered as their bit patterns, so the index has the parity of the
    # significand.
    return bisect.bisect_left(grid, value) % 2 == 0


@pytest.mark.parametrize("dtype", SMALL_FORMATS)
def test_rounding_agrees_with_torch_at_every_number_and_next_to_every_midpoint(dtype: str) -> None:
    values = finite_values(dtype)
    midpoints = (values[:-1] + values[1:]) / 2
    last = values[-1] + (values[-1] - values[-2]) / 2
    probes = np.concatenate([values, midpoints, [last, -last, np.inf, -np.inf, np.nan]]).astype(np.float32)
    probes = np.concatenate([probes, np.nextafter(probes, np.float32(np.inf)), np.nextafter(probes, -np.inf)])
    expected = torch.from_numpy(probes).to(getattr(torch, dtype)).double().numpy()
    if dtype == "float8_e4m3fn":  # has no inf: torch 2.11 gives NaN past the last midpoint, 2.12 gives 448
        expected = np.where(np.abs(probes) > 464.0, np.copysign(np.inf, probes), expected)
    np.testing.assert_array_equal(law.round_to(probes.astype(np.float64), dtype), expected)


@pytest.mark.parametrize("dtype", SMALL_FORMATS)
def test_rounding_sees_all_53_bits_of_a_value(dtype: str) -> None:
    values = finite_values(dtype)
    midpoints = (values[:-1] + values[1:]) / 2
    np.testing.assert_array_equal(law.round_to(np.nextafter(midpoints, np.inf), dtype), values[1:])
    np.testing.assert_array_equal(law.round_to(np.nextafter(midpoints, -np.inf), dtype), values[:-1])


def test_rounding_to_float32_agrees_with_numpy_on_random_bit_patterns() -> None:
    rng = np.random.default_rng(20)
    patterns = rng.integers(0, 2**64, size=200_000, dtype=np.uint64).view(np.float64)
    in_range = rng.standard_normal(200_000) * 2.0 ** rng.integers(-160, 130, size=200_000)
    values = np.concatenate([patterns, in_range])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        expected = values.astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(law.round_to(values, "float32"), expected)


def test_rounding_to_float64_changes_nothing_and_returns_a_copy() -> None:
    values = np.array([5e-324, 1.7976931348623157e308, -0.1, np.inf, np.nan])
    rounded = law.round_to(values, "float64")
    np.testing.assert_array_equal(rounded, values)
    assert not np.shares_memory(rounded, values)


def test_rounding_to_float64_leaves_even_a_signalling_nan_as_it_is() -> None:
    signalling = np.array([0x7FF0000000000001], dtype=np.uint64)
    assert law.round_to(signalling.view(np.float64), "float64").view(np.uint64).tolist() == signalling.tolist()


@pytest.mark.parametrize("dtype", law.FORMATS)
def test_formats_are_those_of_torch(dtype: str) -> None:
    info = torch.finfo(getattr(torch, dtype))
    described = law.FORMATS[dtype]
    assert described.largest == info.max
    assert 2.0**described.min_exponent == info.smallest_normal
    # Not info.eps, which is half of the spacing for float8_e5m2fnuz.
    integer = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[getattr(torch, dtype).itemsize]
    one = torch.ones(1).to(getattr(torch, dtype))
    spacing = (one.view(integer) + 1).view(one.dtype).double() - 1.0
    assert 2.0 ** (1 - described.precision) == spacing.item()
    assert described.smallest_subnormal == info.smallest_normal * spacing.item()


@pytest.mark.parametrize("drop_prob", DROP_PROBS)
@pytest.mark.parametrize("dtype", SMALL_FORMATS)
def test_kept_interval_is_the_hull_in_exact_arithmetic(dtype: str, drop_prob: float) -> None:
    values = finite_values(dtype)
    grid = [float(v) for v in values if v >= 0]
    bits = law.FORMATS[dtype].precision
    picked = np.concatenate([values[:: max(1, len(values) // 150)], values[-2:], [grid[1], -grid[1]]])
    keep_prob = Fraction(1.0 - drop_prob)
    single = Fraction(float(np.float32(1.0 - drop_prob)))
    of_single = 1 - Fraction(float(np.float32(drop_prob)))
    keep_probs = [keep_prob, single, Fraction(nearest(keep_prob, grid, bits)), of_single]
    keep_probs = [q for q in (*keep_probs, Fraction(float(np.float32(float(of_single))))) if q > 0]
    factors = {Fraction(float(np.float32(float(1 / q)))) for q in keep_probs}
    in_dtype = [nearest(1 / q, grid, bits) for q in keep_probs]
    factors |= {Fraction(f) for f in in_dtype if math.isfinite(f)}
    ulp = Fraction(1, 2**23)
    low, high = law.kept_interval(picked, drop_prob, dtype)
    for x, got_low, got_high in zip(picked, low, high, strict=True):
        exact = Fraction(float(x))
        products = [exact / q for q in keep_probs] + [exact * f for f in factors]
        ends = [nearest(v * (1 + s * ulp), grid, bits) for v in products for s in (-1, 1)]
        if math.inf in in_dtype and x != 0:
            ends.append(math.copysign(math.inf, x))
        assert (got_low, got_high) == (min(ends), max(ends)), x


@pytest.mark.parametrize("drop_prob", DROP_PROBS)
def test_kept_interval_in_float64_is_the_hull_in_exact_arithmetic(drop_prob: float) -> None:
    keep_prob = 1.0 - drop_prob
    exact, single = Fraction(keep_prob), Fraction(float(np.float32(keep_prob)))
    of_single = 1 - Fraction(float(np.float32(drop_prob)))
    factors = [1 / q for q in (exact, single, of_single, Fraction(float(np.float32(float(of_single))))) if q > 0]
    factors += [Fraction(float(np.float32(float(factor)))) for factor in factors]
    ulp = Fraction(1, 2**23)
    low, high = law.kept_interval([3.0, -0.7], drop_prob, "float64")
    for x, got_low, got_high in zip((3.0, -0.7), low, high, strict=True):
        ends = [float(Fraction(x) * factor * (1 + sign * ulp)) for factor in factors for sign in (-1, 1)]
        assert got_low == pytest.approx(min(ends), rel=1e-15, abs=0.0)
        assert got_high == pytest.approx(max(ends), rel=1e-15, abs=0.0)


@pytest.mark.parametrize("drop_prob", [p for p in DROP_PROBS if p < 0.99])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_kept_interval_holds_the_usual_ways_to_scale(dtype: str, drop_prob: float) -> None:
    torch_dtype = getattr(torch, dtype)
    x = torch.randn(4096, dtype=torch.float64).to(torch_dtype)
    keep_prob = 1.0 - drop_prob
    low, high = law.kept_interval(x.double().numpy(), drop_prob, dtype)
    one = torch.ones(1, dtype=torch_dtype)
    ways = {
        "divided": x / keep_prob,
        "times the reciprocal": x * (1.0 / keep_prob),
        "times a divided mask": x * one.div(keep_prob),
        "by a tensor of the dtype": x / torch.tensor([keep_prob], dtype=torch_dtype),
        "times the reciprocal of such a tensor": x * (one / torch.tensor([keep_prob], dtype=torch_dtype)),
        "in float32": (x.float() / keep_prob).to(torch_dtype),
        "by a p that a float32 tensor holds": (x / (1 - torch.tensor(drop_prob))).to(torch_dtype),
        "times the reciprocal from such a p": (x * (1 / (1 - torch.tensor([drop_prob])))).to(torch_dtype),
    }
    for way, y in ways.items():
        value = y.double().numpy()
        assert np.all((low <= value) & (value <= high)), way


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("drop_prob", [p for p in DROP_PROBS if 1 - p > 2.0**-25 / 0.004])  # where float32 resolves p
def test_kept_interval_excludes_a_scale_wrong_by_half_a_percent(dtype: str, drop_prob: float) -> None:
    x = np.float32(np.linspace(-3, 3, 100)).astype(np.float64)
    low, high = law.kept_interval(x, drop_prob, dtype)
    for error in (0.995, 1.005):
        wrong = law.round_to(x / (1.0 - drop_prob) * error, dtype)
        assert np.all((wrong < low) | (wrong > high))


def test_kept_interval_in_float32_is_a_few_ulps_wide() -> None:
    x = np.linspace(1, 2, 257)
    low, high = law.kept_interval(x, 0.1, "float32")
    exact = x / 0.9
    assert np.all((low < exact) & (exact < high))
    assert np.all(high - low <= 6 * 2.0**-23 * exact)


@pytest.mark.parametrize("scaling", law.SCALINGS)
def test_kept_interval_leaves_zero_and_non_finite_values_alone(scaling: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
    for end in law.kept_interval(x, 1 - 1e-7, "float16", scaling=scaling):
        np.testing.assert_array_equal(end, x)


@pytest.mark.parametrize(("drop_prob", "scaling"), [(0.9, "none"), (0.9, "eval"), (1.0, "none"), (0.0, "inverted")])
def test_kept_interval_is_the_input_where_nothing_is_scaled(drop_prob: float, scaling: str) -> None:
    x = np.array([[1.5, -3.0], [65504.0, 6e-8]])
    for end in law.kept_interval(x, drop_prob, "float16", scaling=scaling):
        np.testing.assert_array_equal(end, x)
        assert not np.shares_memory(end, x)


def test_kept_interval_overflows_to_infinity() -> None:
    low, high = law.kept_interval([65504.0, -65504.0, 30000.0], 0.5, "float16")
    np.testing.assert_array_equal(low, [np.inf, -np.inf, 60000.0])
    np.testing.assert_array_equal(high, [np.inf, -np.inf, 60000.0])


def test_kept_interval_keeps_the_shape_of_a_scalar_and_of_an_empty_array() -> None:
    assert law.kept_interval(1.0, 0.1, "float16")[0].shape == ()
    assert law.kept_interval(np.zeros((0, 3)), 0.1, "float16")[1].shape == (0, 3)


def test_gradient_interval_is_the_interval_of_a_kept_value() -> None:
    gradient = np.linspace(-2, 2, 33)
    for got, expected in zip(
        law.gradient_interval(gradient, 0.3, "bfloat16", scaling="inverted"),
        law.kept_interval(gradient, 0.3, "bfloat16", scaling="inverted"),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(law.gradient_interval(gradient, 0.3, "bfloat16", scaling="none")[0], gradient)
    np.testing.assert_array_equal(
        law.gradient_interval(gradient, 0.3, "bfloat16"), law.kept_interval(gradient, 0.3, "bfloat16")
    )


@pytest.mark.parametrize("scaling", ["inverted", "none"])
def test_evaluation_is_the_identity_unless_scaled(scaling: str) -> None:
    x = np.array([1.0, np.nan, -np.inf, 0.0])
    for end in law.evaluation_interval(x, 1.0, "bfloat16", scaling=scaling):
        np.testing.assert_array_equal(end, x)


@pytest.mark.parametrize("drop_prob", DROP_PROBS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_evaluation_interval_holds_the_usual_ways_to_multiply(dtype: str, drop_prob: float) -> None:
    torch_dtype = getattr(torch, dtype)
    x = torch.randn(4096, dtype=torch.float64).to(torch_dtype)
    low, high = law.evaluation_interval(x.double().numpy(), drop_prob, dtype, scaling="eval")
    keep_prob = 1.0 - drop_prob
    held = (x * (1 - torch.tensor([drop_prob]))).to(torch_dtype)
    for y in (x * keep_prob, x * torch.tensor([keep_prob], dtype=torch_dtype), held):
        value = y.double().numpy()
        assert np.all((low <= value) & (value <= high))


def test_evaluation_interval_is_narrow_and_exact_at_both_ends_of_drop_prob() -> None:
    x = np.array([3.0, np.inf])
    low, high = law.evaluation_interval(x, 0.25, "float32", scaling="eval")
    assert 2.25 * (1 - 2.0**-22) <= low[0] <= 2.25 <= high[0] <= 2.25 * (1 + 2.0**-22)
    assert low[1] == high[1] == np.inf
    np.testing.assert_array_equal(law.evaluation_interval(x, 0.0, "float32", scaling="eval")[0], x)
    for end in law.evaluation_interval(x, 1.0, "float32", scaling="eval"):
        np.testing.assert_array_equal(end, [0.0, np.nan])


def test_evaluation_keeps_infinity_where_keep_prob_vanishes_in_the_dtype() -> None:
    low, high = law.evaluation_interval([np.inf, 1000.0], 1 - 1e-8, "float16", scaling="eval")
    np.testing.assert_array_equal(low, [np.inf, 0.0])
    np.testing.assert_array_equal(high, [np.inf, law.round_to(1e-5, "float16")])


@pytest.mark.parametrize("scaling", law.SCALINGS)
@pytest.mark.parametrize("drop_prob", [0.0, 0.1, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("x", [0.0, 1.0, -2.5])
def test_moments_follow_from_the_distribution_of_the_output(x: float, drop_prob: float, scaling: str) -> None:
    distribution = law.output_distribution(x, drop_prob, scaling)
    assert math.fsum(distribution.values()) == pytest.approx(1.0, abs=1e-15)
    assert all(probability > 0 for probability in distribution.values())
    mean = math.fsum(value * probability for value, probability in distribution.items())
    variance = math.fsum((value - mean) ** 2 * probability for value, probability in distribution.items())
    assert float(law.mean(x, drop_prob, scaling)) == pytest.approx(mean, rel=1e-12, abs=1e-15)
    assert float(law.variance(x, drop_prob, scaling)) == pytest.approx(variance, rel=1e-12, abs=1e-15)


def test_outputs_are_scaled_unless_said_otherwise() -> None:
    assert law.output_distribution(3.0, 0.25) == {0.0: 0.25, 4.0: 0.75}


def test_inverted_scaling_preserves_the_mean_and_the_others_multiply_it_by_keep_prob() -> None:
    np.testing.assert_array_equal(law.mean([1.0, -2.0], 0.25), [1.0, -2.0])
    np.testing.assert_array_equal(law.mean([1.0, -2.0], 0.25, "none"), [0.75, -1.5])
    np.testing.assert_array_equal(law.mean([1.0, -2.0], 0.25, "eval"), [0.75, -1.5])
    np.testing.assert_array_equal(law.mean([1.0, -2.0], 1.0), [0.0, 0.0])
    np.testing.assert_array_equal(law.variance([1.0, -2.0], 0.25), [1 / 3, 4 / 3])
    np.testing.assert_array_equal(law.variance([1.0, -2.0], 0.25, "none"), [0.1875, 0.75])


def test_multiplier_is_one_over_keep_prob_or_one() -> None:
    assert [law.multiplier(0.75, scaling) for scaling in law.SCALINGS] == [4.0, 1.0, 1.0]


def test_mask_distribution_is_drop_prob_at_zero_and_keep_prob_at_one() -> None:
    assert law.mask_distribution(0.25) == {0: 0.25, 1: 0.75}


@pytest.mark.parametrize("drop_prob", [5e-324, 1e-7, 0.1, 0.5, 0.9, 1 - 2.0**-53])
@pytest.mark.parametrize("batch", [0, 1, 2, 7, 64, 1000, 65536])
def test_kept_count_distribution_is_the_binomial_of_scipy(batch: int, drop_prob: float) -> None:
    got = law.kept_count_distribution(batch, drop_prob)
    # The number dropped, in reverse: 1 - p, handed to scipy, would have lost digits of a small p.
    expected = stats.binom(batch, drop_prob).pmf(np.arange(batch + 1))[::-1]
    assert got.shape == (batch + 1,)
    np.testing.assert_allclose(got, expected, rtol=2e-9, atol=1e-290)
    assert math.fsum(got) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("drop_prob", [0.3, 0.9])
def test_kept_count_distribution_agrees_with_exact_fractions(drop_prob: float) -> None:
    p, q = Fraction(drop_prob), Fraction(1.0 - drop_prob)
    expected = [float(math.comb(40, k) * q**k * p ** (40 - k)) for k in range(41)]
    np.testing.assert_allclose(law.kept_count_distribution(40, drop_prob), expected, rtol=1e-13)


def test_kept_count_distribution_is_a_point_at_both_ends_of_drop_prob() -> None:
    np.testing.assert_array_equal(law.kept_count_distribution(3, 0.0), [0, 0, 0, 1])
    np.testing.assert_array_equal(law.kept_count_distribution(3, 1.0), [1, 0, 0, 0])


def test_kept_fraction_variance_is_that_of_the_count_distribution() -> None:
    distribution = law.kept_count_distribution(50, 0.2)
    fraction = np.arange(51) / 50
    variance = np.sum(distribution * (fraction - 0.8) ** 2)
    assert law.kept_fraction_variance(50, 0.2) == pytest.approx(variance, rel=1e-12)
    assert law.kept_fraction_variance(1, 0.25) == 0.1875


@pytest.mark.parametrize("drop_prob", [-0.1, 1.5, math.nan])
def test_a_drop_prob_outside_the_unit_interval_is_refused_with_its_value(drop_prob: float) -> None:
    calls = [
        lambda: law.kept_interval(1.0, drop_prob, "float32"),
        lambda: law.evaluation_interval(1.0, drop_prob, "float32"),
        lambda: law.multiplier(drop_prob),
        lambda: law.mask_distribution(drop_prob),
        lambda: law.output_distribution(1.0, drop_prob),
        lambda: law.output_distribution(0.0, drop_prob),
        lambda: law.mean(1.0, drop_prob),
        lambda: law.variance(1.0, drop_prob),
        lambda: law.kept_count_distribution(3, drop_prob),
        lambda: law.kept_fraction_variance(3, drop_prob),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=str(drop_prob)):
            call()


def test_other_bad_arguments_are_refused_with_their_value() -> None:
    for message, call in {
        "float12": lambda: law.round_to(1.0, "float12"),
        "int8": lambda: law.kept_interval(1.0, 0.1, "int8"),
        "'int4'": lambda: law.kept_interval(1.0, 0.0, "int4"),  # where nothing is rounded as well
        "'int16'": lambda: law.evaluation_interval(1.0, 0.1, "int16"),
        "-1": lambda: law.kept_count_distribution(-1, 0.1),
        "got 0": lambda: law.kept_fraction_variance(0, 0.1),
        "nothing is kept": lambda: law.kept_interval(1.0, 1.0, "float32"),
        "nothing is kept at": lambda: law.multiplier(1.0),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_an_unknown_scaling_is_refused_even_where_nothing_is_scaled() -> None:
    intervals = [partial(interval, 0.0, 0.0, "float32") for interval in (law.kept_interval, law.evaluation_interval)]
    moments = [partial(moment, 0.0, 0.0) for moment in (law.mean, law.variance, law.output_distribution)]
    for call in (*intervals, *moments, partial(law.multiplier, 0.0)):
        with pytest.raises(ValueError, match="scaling must be one of inverted, none, eval, got 'keep'"):
            call(scaling="keep")


def test_whatever_type_holds_the_values_they_are_computed_in_float64() -> None:
    x = np.array([300.0, 0.1, -3.0], dtype=np.float16)  # which the square of 300 does not fit
    calls = [partial(law.round_to, dtype=dtype) for dtype in ("float64", "bfloat16")]
    for interval in (law.kept_interval, law.evaluation_interval):
        calls += [partial(interval, drop_prob=0.3, dtype="float32", scaling=scaling) for scaling in law.SCALINGS]
    for call in (*calls, partial(law.mean, drop_prob=0.3, scaling="none"), partial(law.variance, drop_prob=0.3)):
        assert np.asarray(call(x)).dtype == np.float64
        np.testing.assert_array_equal(call(x), call(x.astype(np.float64)))
    assert get_type_hints(law.mean)["return"] == np.typing.NDArray[np.float64]


def test_what_overflows_or_is_no_number_is_a_value_and_no_alarm() -> None:
    largest, signalling = law.FORMATS["float64"].largest, np.array([0x7FF0000000000001], dtype=np.uint64)
    with np.errstate(over="raise", invalid="raise"):
        assert law.round_to(largest, "float32") == np.inf
        assert np.isnan(law.round_to(signalling.view(np.float64), "float32"))
        assert law.kept_interval(largest, 0.5, "float64") == (np.inf, np.inf)
        assert law.kept_interval(0.0, 1 - 1e-7, "float16") == (0.0, 0.0)  # one over q is inf there
        assert np.isnan(law.evaluation_interval(np.inf, 1.0, "float64", scaling="eval")).all()
        assert law.evaluation_interval(largest, 2.0**-30, "float64", scaling="eval")[1] == np.inf


@pytest.mark.parametrize("module", ["droppath_reference", "droppath_reference.law", "droppath_reference.schedule"])
def test_law_and_schedule_load_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
