"""Values: inputs whose kept and dropped outputs can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    import numpy.typing as npt


def moderate(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.float64]:
    """Return values of either sign in [1/4, 4) that cover every significand of the 16-bit types.

    Magnitudes stay where neither x/q at q = 0.002 overflows float16 nor a thousandth of x is subnormal.
    """
    size = int(np.prod(shape))
    significands = 2 ** (FORMATS[dtype].precision - 1)
    if significands <= 1024:
        fraction = np.resize(rng.permutation(significands), size) / significands
    else:
        fraction = rng.random(size)
    magnitude = (1.0 + fraction) * np.exp2(rng.integers(-2, 2, size))
    signs = rng.choice([-1.0, 1.0], size)
    return round_to(magnitude * signs, dtype).reshape(shape)


def special(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> npt.NDArray[np.float64]:
    """Return moderate values with signed zeros, subnormals, the largest number, infinities and NaN among them.

    As many more are of any binade of the normal numbers: what clamps or clears does so from some magnitude on.
    """
    values = moderate(rng, shape, dtype).reshape(-1)
    form = FORMATS[dtype]
    tiny, largest = form.smallest_subnormal, form.largest
    edge = np.array([0.0, -0.0, tiny, -tiny, largest, -largest, np.inf, -np.inf, np.nan])
    order, few = rng.permutation(values.size), values.size // 4
    values[order[:few]] = np.resize(edge, few)
    exponents = rng.integers(form.min_exponent, int(np.log2(form.largest)), few)
    values[order[few : 2 * few]] = np.ldexp(1.0, exponents) * rng.choice([-1.0, 1.0], few)
    return values.reshape(shape)


def ones(_rng: np.random.Generator, shape: tuple[int, ...], _dtype: str) -> npt.NDArray[np.float64]:
    """Return ones."""
    return np.ones(shape)
