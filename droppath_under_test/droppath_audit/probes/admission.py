"""Admission: a few calls before anything is planned, which say what a target takes at all.

A layer may multiply by a gain before it drops, a parameter of its own (LayerScale, ReZero, gates). What its masks
promise is exact only where the gain is 1. So its parameters are given values with which the layer changes nothing where
nothing is dropped, if there are such; with them it is audited.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.output import NUMBER, is_number
from droppath_audit.frameworks.capabilities import Compiling, Layers, has
from droppath_audit.probes.inputs import BATCH, FEATURES, features, first_taken
from droppath_audit.probes.stacks import placed

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Target

DROP_PROB = 0.5
# Features at each rank; no size is that of the batch, so that no mask of another rank fits by chance.
RANKS = ((), (3,), (3, 2), (3, 4, 2), (2, 3, 2, 4), (2, 3, 2, 3, 4))
NEARLY_ONE = 0.999  # a drop_prob at which what is kept is a thousand times x
# In this order: gains and their weights; the two ends of a sigmoid or tanh; shifts, and logarithms of a gain.
NEUTRAL = (1.0, 100.0, 0.0)
MASKS = 8  # calls with five decisions each, all alike for once in 2^39 runs
CALLS = 32
TELLING = ((3, 2), (3,))  # features with which a decision a token, or a channel, is none a batch
EACH = 3  # parameters up to this number are tried with values of their own, more of them with one value for all
REFUSALS = ("ValueError", "AssertionError")  # in which a layer refuses keep_prob = 0, and is not merely wrong


@dataclass(frozen=True)
class Admission:
    """What the calls in one dtype showed.

    Attributes:
        raised: What every call raised, where all did.
        traceback: Where the last of them did.
        refuses_keep_prob_zero: Whether drop_prob = 1 is refused, by one of ``REFUSALS``.
        form: ``branch`` or ``residual``, where evaluation at drop_prob = 0 tells it.
        inside: Layers inside of a target that drop paths themselves, where it computes more than they do, or takes no
            tensor that is tried.
        smallest: Features of the smallest sample that is taken.
        follows: Whether the layer has to be converted to x's dtype to return that.
        neutral: Parameters with values with which the layer changes nothing where nothing is dropped.
        output: Which of several outputs is a tensor, as ``output=`` says it; None where the output is one.
        swapped: Whether the branch comes back, and not the shortcut, where everything is dropped.
        mask: Whether what comes back is the mask alone, whatever x is.
        numbers: Whether the layer stores floating numbers beside a probability.
        ranks: Ranks of x that are taken, where that are some and not all of those tried.
        fixed: Features of the only samples that are taken, where an argument says how many channels they have.
        doubles: Whether a target that is given no branch returns 2 x where nothing is dropped.
        adds: Whether a target that runs its branch returns its input where it does not, so that the branch has to add.
        several: Whether the branch that it is given has to return a tuple.
        index: Which layer of a stack drops at the rate that it is given, where that is another than the one in hand.
        together: Whether every call kept or dropped all samples, and some call did either.
        misplaced: Whether none of those that are tried does, and they drop at other rates.
        computes: Parameters of a target that changes x where nothing is dropped, whatever their values.
    """

    raised: str = ""
    traceback: str = ""
    refuses_keep_prob_zero: bool = False
    form: str = ""
    inside: tuple[str, ...] = ()
    smallest: tuple[int, ...] = ()
    follows: bool = False
    neutral: dict[str, float] = field(default_factory=dict)
    output: int | str | None = None
    swapped: bool = False
    mask: bool = False
    numbers: bool = False
    ranks: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()
    doubles: bool = False
    computes: tuple[str, ...] = ()
    adds: bool = False
    several: bool = False
    index: int | None = None
    misplaced: bool = False
    together: bool = False


def admission(target: Target, device: str, dtype: str, *, whole: bool) -> Admission:
    """Call a target in training and in evaluation, more often than once only where it refuses.

    Args:
        target: The target.
        device: Where.
        dtype: Dtype of x.
        whole: Whether to ask as well what the dtype has no part in; otherwise those fields say nothing.
    """
    index, misplaced = placed(target, dtype, device) if whole and target.index else (None, False)
    target = target if index is None else target.at(index)
    several = _several(target, dtype, device)
    target = target.prepared(**several)
    output = several.get("output") if several else _output(target, dtype, device)
    if output is None and not several:
        if target.says_mask and _is_mask(target, dtype, device):
            output = "mask"
        elif _gives_numbers(target, dtype, device):
            output = NUMBER
    if output is not None:
        target = target.prepared(output=output)
    smallest, error = _smallest(target, dtype, device)
    numbers, follows = _numbers(target), False
    if numbers and (error or not _returns_the_dtype(target, (BATCH, *smallest), dtype, device)):
        following = target.prepared(follows=True)
        found, still = _smallest(following, dtype, device)
        if not still and _returns_the_dtype(following, (BATCH, *found), dtype, device):
            target, smallest, error, follows = following, found, None, True
    if error is not None:
        return Admission(str(error), error.traceback, inside=_inside(target))
    shown = Admission(
        refuses_keep_prob_zero=_refuses_keep_prob_zero(target, (BATCH, *smallest), dtype, device),
        smallest=smallest,
        follows=follows,
        output=output,
        numbers=bool(numbers),
        several=bool(several),
        index=index,
        misplaced=misplaced,
    )
    return _whole(shown, target, numbers, dtype, device) if whole else shown


def _whole(shown: Admission, target: Target, numbers: tuple[str, ...], dtype: str, device: str) -> Admission:
    """Return an admission with what the dtype has no part in."""
    shape = (BATCH, *shown.smallest)
    residual = target.declaring(form="residual")
    asked = target.form_open or (target.runs_branch and target.dialect.form == "residual")
    form = _form(residual, shape, dtype, device) if asked else ""
    adds = form == "branch" and _skips(residual, shape, dtype, device)
    target = target.prepared(adds=adds)
    form = "residual" if adds else form if target.form_open else ""
    formed = target.declaring(form=form) if form else target
    neutral = _neutral(formed, numbers, shape, dtype, device)
    changes, free = neutral is None, target.fixed_shape is None
    return replace(
        shown,
        form=form,
        adds=adds,
        inside=_inside(target) if changes else (),
        neutral=neutral or {},
        doubles=changes and not numbers and _doubles(formed, shape, dtype, device),
        computes=numbers if changes else (),
        together=formed.dialect.granularity == "sample" and _together(formed, dtype, device),
        mask=formed.dialect.form == "branch" and shown.output is None and _is_mask(target, dtype, device),
        swapped=formed.dialect.form == "residual" and _swapped(formed, shape, dtype, device),
        ranks=_ranks(target, dtype, device) if free and shown.smallest in FEATURES else (),
        fixed=_fixed(target, dtype, device) if free and shown.smallest not in FEATURES else (),
    )


def _several(target: Target, dtype: str, device: str) -> dict[str, Any]:
    """Return what prepares a target whose branch has to return a tuple; nothing where it need not, or that is no help.

    Some layers take their branch's outputs apart, or return a tuple where they skip it.
    """
    ways = ({"several": True}, {"several": True, "output": 0}) if target.runs_branch else ()
    if not ways or _answers(target, dtype, device):
        return {}
    return next((fields for fields in ways if _answers(target.prepared(**fields), dtype, device)), {})


def _answers(target: Target, dtype: str, device: str) -> bool:
    """Return whether one tensor like x comes back whatever is drawn."""
    with suppress(TargetRaised, NotApplicable, TypeError):  # the last where it is none
        shape = (BATCH, *features(target, dtype, device))
        return all(_returns_the_dtype(target, shape, dtype, device, seed) for seed in range(MASKS))
    return False


def _smallest(target: Target, dtype: str, device: str) -> tuple[tuple[int, ...], TargetRaised | None]:
    """Return the features of the smallest sample, or what every call raised."""
    try:
        return features(target, dtype, device), None
    except NotApplicable:  # another shape comes back, which DP005 judges
        return (), None
    except TargetRaised as error:
        return (), error


def _output(target: Target, dtype: str, device: str) -> int | str | None:
    """Return where the first tensor is in what a call returns; None where that is a tensor, or holds none."""
    for shape in ((BATCH, *found) for found in FEATURES):
        with suppress(TargetRaised, NotApplicable):
            return target.make(DROP_PROB).first_tensor(target.framework.ones(shape, dtype, device))
    return None


def _gives_numbers(target: Target, dtype: str, device: str) -> bool:
    """Return whether a number comes back where all samples are dropped."""
    compiling = has(target.framework, Compiling)
    if target.output is not None or (compiling is not None and compiling.tried()):
        return False  # what is compiled would be compiled again for another drop_prob
    for shape in ((BATCH, *found) for found in FEATURES):
        with suppress(TargetRaised, NotApplicable):
            layer, x = target.make(NEARLY_ONE), target.framework.ones(shape, dtype, device)
            return any(is_number(layer(x, training=True)) for _ in range(MASKS))
    return False


def _is_mask(target: Target, dtype: str, device: str) -> bool:
    """Return whether zeros and one other number come back whatever x is: the mask, and not x times it."""
    framework, seen, shape = target.framework, set[float](), (BATCH, 3)
    values = np.linspace(2.0, 3.0, BATCH * 3).reshape(shape)
    with suppress(TargetRaised, NotApplicable):
        layer = target.make(DROP_PROB)
        for seed in range(MASKS):
            framework.seed(seed)
            first = framework.numpy(layer(framework.ones(shape, dtype, device), training=True))
            framework.seed(seed)
            if not np.array_equal(
                first, framework.numpy(layer(framework.tensor(values, dtype, device), training=True))
            ):
                return False
            seen |= set(first.ravel().tolist())
    return len(seen) == 2 and 0.0 in seen


def _together(target: Target, dtype: str, device: str) -> bool:
    """Return whether every call keeps or drops all of x, of several samples with several elements, and some do either.

    Decisions of five samples are alike in all these calls by chance once in 2^128 runs.
    """
    framework, fates = target.framework, set[bool]()
    with suppress(TargetRaised, NotApplicable):
        taken, _ = first_taken(target, (*TELLING, features(target, dtype, device)), dtype, device)
        if taken is None:
            return False
        layer, x = target.make(DROP_PROB), framework.ones((BATCH, *taken), dtype, device)
        for seed in range(CALLS):
            framework.seed(seed)
            y = framework.numpy(layer(x, training=True))
            found = {bool(value) for value in (y != 0).ravel()}
            if y.shape != (BATCH, *taken) or len(found) != 1:
                return False
            fates |= found
        return len(fates) > 1
    return False


def _numbers(target: Target) -> tuple[str, ...]:
    """Return the names of what the target's layers store that is no probability."""
    try:
        return tuple(name for name in target.make(DROP_PROB).numbers() if not target.is_probability(name))
    except (TargetRaised, NotApplicable):
        return ()


def _returns_the_dtype(target: Target, shape: tuple[int, ...], dtype: str, device: str, seed: int = 0) -> bool:
    target.framework.seed(seed)
    x = target.framework.ones(shape, dtype, device)
    with suppress(TargetRaised, NotApplicable):
        return target.framework.info(target.make(DROP_PROB)(x, training=True)) == target.framework.info(x)
    return False


def _swapped(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> bool:
    """Return whether a layer that adds a shortcut drops that and not the branch."""
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    x, shortcut = (target.framework.tensor(part, dtype, device) for part in (values, 100.0 + values))
    with suppress(TargetRaised, NotApplicable):
        found = target.framework.numpy(target.make(NEARLY_ONE).with_shortcut(x, shortcut, training=True))
        return found.shape == shape and bool(np.allclose(found, values, rtol=0.02))
    return False


def _neutral(
    target: Target, numbers: tuple[str, ...], shape: tuple[int, ...], dtype: str, device: str
) -> dict[str, float] | None:
    """Return values of parameters with which nothing is changed where nothing is dropped; None if there are none."""
    values = np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape)
    values[0] = -0.0  # which an added zero changes, and a factor does not
    x = target.framework.tensor(values, dtype, device)

    def output(neutral: dict[str, float], drop_prob: float, *, training: bool) -> np.ndarray[Any, Any]:
        layer = target.prepared(neutral=neutral).make(drop_prob)
        return target.framework.numpy(layer(x, training=training))

    try:
        first = output({}, 0.0, training=not target.evaluates)
        # Beside a shortcut of zeros -0 becomes +0.
        exact = target.framework.numpy(x) + (0.0 if target.dialect.form == "residual" else -0.0)
        if first.shape != shape or _same(first, exact):
            return {}
    except (TargetRaised, NotApplicable):
        return {}
    each = product(NEUTRAL, repeat=len(numbers)) if len(numbers) <= EACH else ((v,) * len(numbers) for v in NEUTRAL)
    for chosen in each if numbers else ():
        neutral = dict(zip(numbers, chosen, strict=True))
        with suppress(TargetRaised, NotApplicable):
            if _same(output(neutral, 0.0, training=not target.evaluates), exact) and (
                # With a gain of zero what is added to x is nothing, and what is dropped of it as well.
                0.0 not in chosen or not np.allclose(output(neutral, NEARLY_ONE, training=True), exact, rtol=0.1)
            ):
                return neutral
    return None


def _doubles(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> bool:
    """Return whether a layer adds its input to itself: a residual block, whose branch is nothing but x."""
    x = target.framework.ones(shape, dtype, device)
    with suppress(TargetRaised, NotApplicable):
        output = target.framework.numpy(target.make(0.0)(x, training=not target.evaluates))
        return output.shape == shape and bool((output == 2.0).all())
    return False


def _refuses_keep_prob_zero(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> bool:
    try:
        target.make(1.0)(target.framework.ones(shape, dtype, device), training=True)
    except TargetRaised as error:
        return error.as_one_of(*REFUSALS) in REFUSALS
    except NotApplicable:
        return False
    return False


def _form(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> str:
    """Return the form of a layer that wraps its branch.

    At drop_prob = 0 nothing is dropped or scaled, in any dialect. A layer that refuses 0 is called in evaluation at
    1/2, where what is dropped in training may be scaled by a half, or by two; one that skips its branch in evaluation
    in training.
    """
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    x, shortcut = (target.framework.tensor(part, dtype, device) for part in (values, 100.0 + values))
    evaluated = ((0.0, (1.0,), False), (DROP_PROB, (1.0, 0.5, 2.0), False)) if target.evaluates else ()
    for drop_prob, gains, training in (*evaluated, (0.0, (1.0,), True)):
        with suppress(TargetRaised, NotApplicable):
            output = target.make(drop_prob).with_shortcut(x, shortcut, training=training)
            found = target.framework.numpy(output)
            for form, added in (("residual", 100.0 + values), ("branch", 0.0 * values)):
                if any(found.shape == shape and np.allclose(found, added + gain * values, rtol=0.02) for gain in gains):
                    return form
    return ""


def _skips(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> bool:
    """Return whether a layer that wraps its branch returns its input where it drops, mostly if not in every call."""
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    x, shortcut = (target.framework.tensor(part, dtype, device) for part in (values, 100.0 + values))
    with suppress(TargetRaised, NotApplicable):
        layer, skipped = target.make(NEARLY_ONE), 0
        for _ in range(MASKS):
            found = target.framework.numpy(layer.with_shortcut(x, shortcut, training=True))
            skipped += found.shape == shape and bool(np.allclose(found, 100.0 + values, rtol=0.02))
        return skipped > MASKS // 2
    return False


def _same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.array_equal(one, other) and np.array_equal(np.signbit(one), np.signbit(other)))


def _ranks(target: Target, dtype: str, device: str) -> tuple[int, ...]:
    """Return the ranks of x of which the shape is kept; none where all are that the target can be given."""
    asked = [features for features in RANKS if target.takes((BATCH, *features))]
    kept = [features for features in asked if first_taken(target, [features], dtype, device)[0] is not None]
    return () if kept == asked else tuple(1 + len(features) for features in kept)


def _fixed(target: Target, dtype: str, device: str) -> tuple[int, ...]:
    """Return the features of samples of which a target with a fixed number of channels keeps the shape."""
    several = (features for n in target.sizes for features in ((4, n), (n, 4, 4), (4, 4, n), (n,), (n, 4, 4, 4)))
    return first_taken(target, several, dtype, device)[0] or ()


def _inside(target: Target) -> tuple[str, ...]:
    """Return the layers inside that drop paths."""
    if has(target.framework, Layers) is None:
        return ()
    with suppress(TargetRaised, NotApplicable):
        return target.make(DROP_PROB).holds()
    return ()
