"""Values: inputs whose kept and dropped outputs can be told apart, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_reference.law import FORMATS, kept_interval, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.frameworks.base import Target

EXAMPLES = 3


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
    """Return moderate values with signed zeros, subnormals, the largest number, infinities and NaN among them."""
    values = moderate(rng, shape, dtype).reshape(-1)
    form = FORMATS[dtype]
    tiny, largest = form.smallest_subnormal, form.largest
    edge = np.array([0.0, -0.0, tiny, -tiny, largest, -largest, np.inf, -np.inf, np.nan])
    where = rng.permutation(values.size)[: values.size // 4]
    values[where] = np.resize(edge, where.size)
    return values.reshape(shape)


def observe(target: Target, case: Case, rng: np.random.Generator, calls: int, batch: int) -> dict[str, Any]:
    """Sort the outputs of training calls by what became of x.

    An output is zero, kept (inside the hull of the legitimate roundings), leaked (neither, and smaller than half
    of x: a dropped value that is not zero) or misscaled (anything else, NaN included).

    Returns:
        Counts of the four, the largest and smallest ratio y/x of kept and misscaled values, and a few examples
        ``[x, y]`` of leaked and misscaled ones.
    """
    from droppath_audit.probes.inputs import features

    if case.dtype is None or case.drop_prob is None:
        raise ValueError(f"values are observed at a dtype and a drop_prob; {case.slug} lacks one")
    framework, layer = target.framework, target.make(case.drop_prob)
    x = moderate(rng, (batch, *features(target, case.dtype, case.device)), case.dtype)
    tensor = framework.tensor(x, case.dtype, case.device)
    before = framework.bits(tensor).copy()
    low, high = kept_interval(x, case.drop_prob, case.dtype, scaling=case.dialect.scaling)
    totals = {"decisions": 0, "zero": 0, "kept": 0, "leaked": 0, "misscaled": 0}
    examples: dict[str, list[list[float]]] = {"leaked": [], "misscaled": []}
    ratios: list[float] = []
    for _ in range(calls):
        output = layer(tensor, training=True)
        if not np.array_equal(framework.bits(tensor), before):
            # A target that writes to its input breaks DP004, not this promise.
            tensor = framework.tensor(x, case.dtype, case.device)
        # Rounded to x's dtype: a target that widens it breaks DP005, not this promise.
        y = round_to(framework.numpy(output), case.dtype)
        zero = y == 0
        kept = ~zero & (low <= y) & (y <= high)
        leaked = ~zero & ~kept & (np.abs(y) < np.abs(x) / 2)
        misscaled = ~zero & ~kept & ~leaked
        totals["decisions"] += y.size
        for name, where in (("zero", zero), ("kept", kept), ("leaked", leaked), ("misscaled", misscaled)):
            totals[name] += int(np.count_nonzero(where))
            if name in examples and len(examples[name]) < EXAMPLES:
                pairs = np.stack([x[where], y[where]], axis=-1)[:EXAMPLES]
                examples[name] += pairs.tolist()
        scale = y[kept | misscaled] / x[kept | misscaled]
        if scale.size:
            ratios += [float(np.min(scale)), float(np.max(scale))]
    extremes = [min(ratios), max(ratios)] if ratios else []
    return {**totals, "ratios": extremes, "examples": examples}
