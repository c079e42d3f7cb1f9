"""The oracle of one call: every deterministic promise at once, for any dtype, shape, layout, mode and drop_prob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.frameworks.capabilities import Layouts, ask
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.values import moderate, special
from droppath_reference.law import FORMATS, evaluation_interval, kept_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.target import Layer, Target
    from droppath_audit.fuzz.strategies import Example

    Floats = npt.NDArray[np.float64]

LOOKED_AT, COLUMNS = 2**14, 2**7  # elements of a large x, and of each of its samples at least
PART = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}


def part_of(dtype: str) -> str:
    """Return the dtype of a real number of ``dtype``: its own, or that of a complex number's two parts."""
    return PART.get(dtype, dtype)


def has_law(dtype: str) -> bool:
    """Return whether the values that rounding allows are known for ``dtype``."""
    return part_of(dtype) in FORMATS


def values_of(example: Example, dtype: str) -> npt.NDArray[Any]:
    """Return the values of x in this example."""
    rng = np.random.default_rng(example.seed)
    draw = special if example.special else moderate
    values = draw(rng, example.shape, part_of(dtype))
    if dtype not in PART:
        return values
    # Not by adding: 1j * inf has a real part, and it is NaN.
    pair = np.stack([values, draw(rng, example.shape, part_of(dtype))], axis=-1)
    return np.ascontiguousarray(pair).view(np.complex128)[..., 0]


@dataclass(frozen=True)
class Violation:
    """One broken promise of one call: its kind (a word, for scripts) and a sentence."""

    kind: str
    text: str


WRITTEN = Violation("written", "x was written to")


def laid_out(framework: Framework, example: Example, dtype: str, device: str) -> Tensor:
    """Return x of an example, with the strides that it names.

    Raises:
        NotApplicable: If the framework has no such strides.
    """
    values = values_of(example, dtype)
    if example.layout == "contiguous":
        return framework.tensor(values, dtype, device)
    return ask(framework, Layouts).laid_out(values, dtype, device, example.layout)


def violations(
    target: Target, example: Example, dtype: str, device: str, layer: Layer | None = None
) -> list[Violation]:
    """Run one generated call and return what it broke.

    Args:
        target: The target.
        example: The call.
        dtype: Dtype of x.
        device: Device of x.
        layer: The instance to call, whose drop_prob is the example's; a fresh one where it is None.

    Raises:
        TargetRaised: Whatever the target raises.
    """
    framework = target.framework
    x = laid_out(framework, example, dtype, device)
    values = framework.numpy(x)
    before = framework.bits(x)
    layer = layer or target.make(example.drop_prob)
    framework.seed(example.seed)
    y = layer(x, training=example.training)

    found = output_violations(target, Asked(x, values, before), y, example.drop_prob, training=example.training)
    if example.gradient and example.training and not found and values.size and not example.special:
        found += gradient_violations(target, layer, x, example.drop_prob, example.seed)
    return found


@dataclass(frozen=True)
class Asked:
    """What a layer was given: the tensor, its values, and its bytes as they were before."""

    x: Tensor
    values: npt.NDArray[Any]
    before: npt.NDArray[np.uint8]


def output_violations(target: Target, asked: Asked, y: Tensor, drop_prob: float, *, training: bool) -> list[Violation]:
    """Return what an output breaks: its shape, dtype and device, its values, and what became of the input."""
    framework, values, before, found = target.framework, asked.values, asked.before, []
    info = framework.info(asked.x)
    dtype = info.dtype
    if framework.info(y) != info:
        return [Violation("info", f"{info} became {framework.info(y)}")]
    if not np.array_equal(framework.bits(asked.x), before):
        found.append(WRITTEN)
    exact = drop_prob == 0.0 or (not training and target.dialect.scaling != "eval")
    if exact and np.array_equal(framework.bits(y), before):
        return found
    output = framework.numpy(y)
    if exact:
        if target.dialect.form == "residual":
            # A sum with a shortcut of zeros turns -0 into +0; a complex one may make NaN of what is not finite, in one
            # order and not in the other.
            differ = (output != values) & ~(np.isnan(values) & np.isnan(output))
            same = not np.any(differ & np.isfinite(values) if dtype in PART else differ)
        else:
            differ = (framework.bits(y) != before).reshape(*values.shape, -1 if values.size else 0).any(axis=-1)
            differ &= ~(np.isnan(values) & np.isnan(output))  # which NaN it is, nobody promises
            if dtype in PART and (training or target.dialect.scaling == "eval"):
                # A complex product with 1 mixes the parts: the sign of a zero is lost, and infinity makes NaN.
                differ &= np.isfinite(values) & (values != output)
            same = not np.any(differ)
        if not same:
            found.append(Violation("identity", "the output is not x, bit for bit"))
    elif not training:
        values, output = looked_at(values, output)
        low, high = evaluation_interval(parts(values), drop_prob, part_of(dtype), scaling=target.dialect.scaling)
        telling = _telling(parts(values), low, high) | (dtype not in PART)
        if not np.all(_within(parts(output), low, high) | ~telling):
            found.append(Violation("evaluation", "the evaluation output is not keep_prob times x"))
    else:
        found += training_violations(values, output, drop_prob, part_of(dtype), target.dialect)
    return found


def parts(values: npt.NDArray[Any]) -> Floats:
    """Return the values with real and imaginary part as a last axis of size 2 (size 1 for real values)."""
    if np.iscomplexobj(values):
        return np.stack([values.real, values.imag], axis=-1)
    return np.asarray(values, dtype=np.float64)[..., np.newaxis]


def _telling(x: Floats, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Return where both parts of a number and of its interval are finite; complex arithmetic mixes the parts."""
    finite: npt.NDArray[np.bool_] = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    return np.logical_and.reduce(finite, axis=-1, keepdims=True)


def _within(y: Floats, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    return ((low <= y) & (y <= high)) | (np.isnan(y) & np.isnan(low))


def training_violations(
    values: npt.NDArray[Any], output: npt.NDArray[Any], drop_prob: float, dtype: str, dialect: Dialect
) -> list[Violation]:
    """Return what a training output breaks: zero or kept, and together where one decision covers several.

    Elements that are zero, not finite, or so large that dividing them may overflow do not tell what became of them;
    of those only a kept one is judged, by its neighbours' fate.
    """
    values, output = looked_at(values, output)
    x, y = parts(values), parts(output)
    if drop_prob == 1.0:
        telling = np.broadcast_to(np.isfinite(x).all(axis=-1, keepdims=True), x.shape)
        if np.any(y[telling] != 0):
            return [Violation("zeros", "keep_prob = 0 does not give zeros")]
        return []
    with np.errstate(over="ignore"):
        low, high = kept_interval(x, drop_prob, dtype, scaling=dialect.scaling)
    # Below the smallest normal number a kept value may be flushed to zero.
    normal = np.abs(x) >= 2.0 ** FORMATS[dtype].min_exponent
    telling = _telling(x, low, high) & normal & _representable(drop_prob, dtype, dialect)
    zero, kept = telling & (y == 0), telling & (y != 0) & _within(y, low, high)
    if np.any(telling & ~zero & ~kept):
        where = np.argwhere(telling & ~zero & ~kept)[0]
        given, returned, wanted = (float(each[tuple(where)]) for each in (x, y, low))
        became = "came back as it is" if given == returned else f"became {returned:.6g}"
        return [Violation("values", f"x = {given:.6g} {became}, which is neither 0 nor a kept value, {wanted:.6g}")]
    if dialect.granularity == "element":
        groups = (-1, x.shape[-1])
    elif dialect.granularity == "batch" or values.ndim == 0:
        groups = (1, -1)
    else:
        groups = (values.shape[0], -1)
    if not x.size:
        return []
    any_zero, any_kept = zero.reshape(groups).any(axis=1), kept.reshape(groups).any(axis=1)
    if np.any(any_zero & any_kept):
        return [Violation("group", f"one {dialect.granularity} is partly dropped and partly kept")]
    return []


def looked_at(values: npt.NDArray[Any], *others: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Return arrays of one shape as they are; of large ones first, last and some other elements of such samples.

    What rounding allows to each value is worked out in double precision, which for a million values takes longer than
    all calls of a trial; where chunks begin and end, and which sample shares its number, is asked by other means.
    """
    found = (values, *others)
    if values.size <= LOOKED_AT:
        return found
    batch, sample = values.shape[0], values.size // values.shape[0]
    columns = _spread(sample, max(COLUMNS, LOOKED_AT // batch))
    rows = _spread(batch, LOOKED_AT // columns.size)
    # By all its axes: to see an array of other strides as a matrix would copy it.
    within = np.unravel_index(columns, values.shape[1:]) if values.ndim > 1 else ()
    at = (rows[:, np.newaxis], *within) if within else (rows,)
    return tuple(one[at].reshape(rows.size, columns.size) for one in found)


def _spread(length: int, most: int) -> npt.NDArray[np.int64]:
    """Return places on an axis: all, or a third of so many at either end and a third between, by chance."""
    if length <= most:
        return np.arange(length)
    third, rng = max(1, most // 3), np.random.default_rng(length)
    return np.unique(
        np.concatenate([np.arange(third), rng.integers(0, length, third), np.arange(length - third, length)])
    )


def _representable(drop_prob: float, dtype: str, dialect: Dialect) -> bool:
    """Return whether the factor of kept values is a number of this dtype: where it is not, see DP205."""
    return dialect.scaling != "inverted" or drop_prob == 1.0 or 1.0 / (1.0 - drop_prob) <= FORMATS[dtype].largest


def gradient_violations(target: Target, layer: Layer, x: Tensor, drop_prob: float, seed: int) -> list[Violation]:
    """Return what a pass forward and backward from a seed breaks, by the same law applied to the cotangent.

    Where 1/q is no number of x's dtype, a factor that overflows times a mask of zero is NaN also in sound code.
    """
    framework = target.framework
    info = framework.info(x)
    dtype = info.dtype
    one = np.ones(1) + (1j if dtype in PART else 0)
    framework.seed(seed)
    ones = framework.ones(info.shape, dtype, info.device)
    cotangent = framework.multiply(ones, framework.tensor(one, dtype, info.device)) if dtype in PART else ones
    result = gradient_of(target, layer, x, cotangent)
    if result.gradient is None:
        return [Violation("gradient", result.reason)]
    gradient, output = looked_at(framework.numpy(result.gradient), framework.numpy(result.output))
    dropped = parts(output) == 0
    if _representable(drop_prob, part_of(dtype), target.dialect) and np.any(parts(gradient)[dropped] != 0):
        return [Violation("gradient", "a dropped element has a gradient")]
    given = np.broadcast_to(one, gradient.shape)
    found = training_violations(given, gradient, drop_prob, part_of(dtype), target.dialect)
    return [
        Violation("gradient", f"in the gradient: {violation.text.replace('x =', 'a cotangent of', 1)}")
        for violation in found
    ]
