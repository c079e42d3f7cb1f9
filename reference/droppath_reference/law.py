"""What follows from the definition of DropPath: distributions, moments, and the values rounding allows.

Notation: p = drop_prob, q = keep_prob = 1 - p, m in {0, 1} the mask of a sample, P(m = 1) = q. In training

    scaling "inverted"       y = x m / q      mean x      variance x^2 p / q
    scaling "none", "eval"   y = x m          mean q x    variance x^2 p q

and in evaluation y = x, or y = q x for "eval" (Huang et al. 2016, arXiv:1603.09382, eq. 5).

Tensors are given as float64 arrays that hold values of the dtype exactly; complex ones as their two parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FORMATS",
    "SCALINGS",
    "Format",
    "evaluation_interval",
    "gradient_interval",
    "kept_count_distribution",
    "kept_fraction_variance",
    "kept_interval",
    "mask_distribution",
    "mean",
    "multiplier",
    "output_distribution",
    "round_to",
    "variance",
]

Float64Array = NDArray[np.float64]

SCALINGS = ("inverted", "none", "eval")

# What an implementation may be off by before its last rounding, as a share of the value.
FLOAT32_ULP = 2.0**-23


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    Attributes:
        precision: Bits of the significand, the hidden one included.
        min_exponent: Exponent e of the smallest normal number 2**e.
        largest: Largest finite number.
    """

    precision: int
    min_exponent: int
    largest: float

    @property
    def smallest_subnormal(self) -> float:
        """Distance between subnormal numbers."""
        return 2.0 ** (self.min_exponent - self.precision + 1)


FORMATS = {
    "float64": Format(53, -1022, (2.0 - 2.0**-52) * 2.0**1023),
    "float32": Format(24, -126, (2.0 - 2.0**-23) * 2.0**127),
    "float16": Format(11, -14, 65504.0),
    "bfloat16": Format(8, -126, (2.0 - 2.0**-7) * 2.0**127),
    "float8_e4m3fn": Format(4, -6, 448.0),
    "float8_e5m2": Format(3, -14, 57344.0),
    "float8_e4m3fnuz": Format(4, -7, 240.0),
    "float8_e5m2fnuz": Format(3, -15, 57344.0),
}


def round_to(values: ArrayLike, dtype: str) -> Float64Array:
    """Round to the nearest number of a format, ties to even.

    Args:
        values: Float64 numbers of any shape; NaN and inf stay what they are.
        dtype: A key of `FORMATS`.

    Returns:
        A float64 array of the same shape. What is too large becomes inf, in ``float8_e4m3fn`` and the ``fnuz``
        formats as well, which have no inf of their own and where versions of torch give NaN or the largest number.

    Raises:
        ValueError: If ``dtype`` is unknown.
    """
    target = _format(dtype)
    exact = np.array(values, dtype=np.float64)
    if dtype == "float64":
        return exact
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is meant; a NaN may be a signalling one
        _, exponent = np.frexp(exact)  # |exact| lies in [2**(exponent-1), 2**exponent)
        ulp_exponent = np.maximum(exponent - 1, target.min_exponent) - (target.precision - 1)
        rounded = np.ldexp(np.rint(np.ldexp(exact, -ulp_exponent)), ulp_exponent)
    overflown = np.abs(rounded) > target.largest
    return np.asarray(np.where(overflown, np.copysign(np.inf, rounded), rounded))


def kept_interval(
    x: ArrayLike, drop_prob: float, dtype: str, *, scaling: str = "inverted"
) -> tuple[Float64Array, Float64Array]:
    """Bound what a kept value may be in training.

    For ``scaling="inverted"`` implementations differ legitimately in how they round x / q. The interval is
    the hull of fl(x / q~) and fl(x * fl(1 / q~)), where q~ is q in float64, float32 or the dtype, or 1 - fl32(p)
    in float64 or float32 (left out if that is 0), fl(1 / q~) is rounded to float32 or the dtype, and each value
    may move by one float32 ulp before its last rounding. For the other scalings, and for ``drop_prob`` 0, it is
    the point x.

    Args:
        x: Real numbers of the dtype, of any shape. Zero, inf and NaN stay what they are.
        drop_prob: Probability p in [0, 1].
        dtype: A key of `FORMATS`.
        scaling: ``"inverted"``, ``"none"`` or ``"eval"``.

    Returns:
        Lower and upper end, float64 arrays of the shape of ``x`` holding numbers of the dtype, inf where the
        division may overflow.

    Raises:
        ValueError: If an argument is out of range, or nothing is ever kept: ``drop_prob`` 1 with inverted
            scaling.
    """
    _validate(drop_prob, scaling)
    _format(dtype)
    exact = np.array(x, dtype=np.float64)
    if scaling != "inverted" or drop_prob == 0.0:
        return exact, exact.copy()
    keep_probs = [q for q in _keep_prob_roundings(drop_prob, dtype) if q > 0.0]
    if not keep_probs:
        raise ValueError(f"nothing is kept at drop_prob {drop_prob!r}, so no kept value has a scale")
    products = {float(round_to(1.0 / q, of)) for q in keep_probs for of in ("float32", dtype)}
    with np.errstate(over="ignore", invalid="ignore"):
        candidates = [exact / q for q in keep_probs] + [exact * factor for factor in sorted(products)]
    return _hull(candidates, exact, dtype)


def gradient_interval(
    gradient: ArrayLike, drop_prob: float, dtype: str, *, scaling: str = "inverted"
) -> tuple[Float64Array, Float64Array]:
    """Bound the gradient at a kept input, given that at the output.

    The layer is linear in x, dy/dx = m / q, so a kept gradient is rounded as a kept value is: see
    `kept_interval` for arguments, result and exceptions.
    """
    return kept_interval(gradient, drop_prob, dtype, scaling=scaling)


def evaluation_interval(
    x: ArrayLike, drop_prob: float, dtype: str, *, scaling: str = "inverted"
) -> tuple[Float64Array, Float64Array]:
    """Bound the output in evaluation: the point x, or for ``scaling="eval"`` the roundings of q x.

    The hull is that of fl(x * q~), with q~ and the allowance of one float32 ulp as in `kept_interval`, except
    that q~ may be 0 here.

    Args:
        x: Real numbers of the dtype, of any shape. Zero, inf and NaN stay what they are, but inf becomes NaN
            where q is 0.
        drop_prob: Probability p in [0, 1].
        dtype: A key of `FORMATS`.
        scaling: ``"inverted"``, ``"none"`` or ``"eval"``.

    Returns:
        Lower and upper end, float64 arrays of the shape of ``x`` holding numbers of the dtype.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob, scaling)
    _format(dtype)
    exact = np.array(x, dtype=np.float64)
    if scaling != "eval" or drop_prob == 0.0:
        return exact, exact.copy()
    with np.errstate(invalid="ignore"):
        if drop_prob == 1.0:
            return exact * 0.0, exact * 0.0
        candidates = [exact * q for q in _keep_prob_roundings(drop_prob, dtype)]
    return _hull(candidates, exact, dtype)


def multiplier(drop_prob: float, scaling: str = "inverted") -> float:
    """Return what a kept value is multiplied by in training: 1 / q for ``"inverted"``, else 1.

    Raises:
        ValueError: If an argument is out of range, or ``drop_prob`` is 1 with inverted scaling.
    """
    _validate(drop_prob, scaling)
    if scaling != "inverted":
        return 1.0
    if drop_prob == 1.0:
        raise ValueError(f"nothing is kept at drop_prob {drop_prob!r}, so no kept value has a scale")
    return 1.0 / (1.0 - drop_prob)


def mask_distribution(drop_prob: float) -> dict[int, float]:
    """Return the probability of either mask value: {0: p, 1: q}.

    Raises:
        ValueError: If ``drop_prob`` is out of range.
    """
    _validate(drop_prob)
    return {0: drop_prob, 1: 1.0 - drop_prob}


def output_distribution(x: float, drop_prob: float, scaling: str = "inverted") -> dict[float, float]:
    """Return the values that a number x can become in training, each with its probability above 0.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob, scaling)
    if drop_prob == 1.0 or x == 0.0:
        return {0.0: 1.0}
    kept = {x * multiplier(drop_prob, scaling): 1.0 - drop_prob}
    return kept if drop_prob == 0.0 else {0.0: drop_prob, **kept}


def mean(x: ArrayLike, drop_prob: float, scaling: str = "inverted") -> Float64Array:
    """Return the mean of the output in training: x (0 at ``drop_prob`` 1), or q x if not scaled.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob, scaling)
    keep_prob = 1.0 - drop_prob
    factor = float(keep_prob > 0.0) if scaling == "inverted" else keep_prob
    return np.asarray(np.asarray(x, dtype=np.float64) * factor)


def variance(x: ArrayLike, drop_prob: float, scaling: str = "inverted") -> Float64Array:
    """Return its variance: x^2 p / q (0 at ``drop_prob`` 1), or x^2 p q if not scaled.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob, scaling)
    keep_prob = 1.0 - drop_prob
    if scaling != "inverted":
        factor = drop_prob * keep_prob
    else:
        factor = drop_prob / keep_prob if keep_prob > 0.0 else 0.0
    return np.asarray(np.square(np.asarray(x, dtype=np.float64)) * factor)


def kept_count_distribution(batch: int, drop_prob: float) -> Float64Array:
    """Return the distribution of the number kept in a batch: Binomial(B, q).

    Args:
        batch: Number B >= 0 of decisions.
        drop_prob: Probability p in [0, 1].

    Returns:
        Probabilities of 0, ..., B kept, of shape (B + 1,). Those below about 1e-308 of the largest are 0.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob)
    if batch < 0:
        raise ValueError(f"batch must not be negative, got {batch!r}")
    keep_prob = 1.0 - drop_prob
    relative = np.zeros(batch + 1)
    if drop_prob in (0.0, 1.0):
        relative[batch if drop_prob == 0.0 else 0] = 1.0
        return relative
    # From the mode outwards P(k+1) / P(k) = (B-k) q / ((k+1) p) never exceeds 1, so nothing overflows.
    mode = min(batch, int((batch + 1) * keep_prob))
    above = np.arange(mode, batch)
    below = np.arange(mode, 0, -1)
    relative[mode] = 1.0
    relative[mode + 1 :] = np.cumprod((batch - above) / (above + 1) * (keep_prob / drop_prob))
    relative[:mode] = np.cumprod(below / (batch - below + 1) * (drop_prob / keep_prob))[::-1]
    return relative / math.fsum(relative)


def kept_fraction_variance(batch: int, drop_prob: float) -> float:
    """Return the variance p q / B of the fraction kept in a batch of B independent decisions.

    Raises:
        ValueError: If an argument is out of range.
    """
    _validate(drop_prob)
    if batch < 1:
        raise ValueError(f"batch must be positive, got {batch!r}")
    return drop_prob * (1.0 - drop_prob) / batch


def _keep_prob_roundings(drop_prob: float, dtype: str) -> list[float]:
    """Return q, and q rounded to float32 or the dtype, or computed from a p that a float32 tensor holds."""
    keep_prob = 1.0 - drop_prob
    of_single = 1.0 - float(round_to(drop_prob, "float32"))
    rounded = [float(round_to(keep_prob, of)) for of in ("float32", dtype)]
    return [keep_prob, *rounded, of_single, float(round_to(of_single, "float32"))]


def _hull(candidates: list[Float64Array], x: Float64Array, dtype: str) -> tuple[Float64Array, Float64Array]:
    """Round the extremes of the candidates, each moved by one float32 ulp; keep 0, inf and NaN of x."""
    with np.errstate(over="ignore"):
        spread = np.stack([value * (1.0 + ulp) for value in candidates for ulp in (-FLOAT32_ULP, FLOAT32_ULP)])
    untouched = (x == 0.0) | ~np.isfinite(x)
    lowest = np.where(untouched, x, round_to(spread.min(axis=0), dtype))
    highest = np.where(untouched, x, round_to(spread.max(axis=0), dtype))
    return lowest, highest


def _format(dtype: str) -> Format:
    if dtype not in FORMATS:
        raise ValueError(f"dtype must be one of {', '.join(FORMATS)}, got {dtype!r}")
    return FORMATS[dtype]


def _validate(drop_prob: float, scaling: str = "inverted") -> None:
    if not 0.0 <= drop_prob <= 1.0:
        raise ValueError(f"drop_prob must lie in [0, 1], got {drop_prob!r}")
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}")
