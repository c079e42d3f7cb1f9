"""Admission: a few calls before anything is planned, which say what a target takes at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import Layers, has
from droppath_audit.probes.inputs import BATCH, features

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Target

DROP_PROB = 0.5
REFUSALS = ("ValueError", "AssertionError")  # in which a layer refuses keep_prob = 0, and is not merely wrong


@dataclass(frozen=True)
class Admission:
    """What the calls in one dtype showed.

    Attributes:
        raised: What every call raised, where all did.
        traceback: Where the last of them did.
        refuses_keep_prob_zero: Whether drop_prob = 1 is refused, by one of ``REFUSALS``.
        form: ``branch`` or ``residual``, where evaluation at drop_prob = 0 tells it.
        inside: Layers inside of a target that drop paths themselves, where it computes more than they do.
        smallest: Features of the smallest sample that is taken.
    """

    raised: str = ""
    traceback: str = ""
    refuses_keep_prob_zero: bool = False
    form: str = ""
    inside: tuple[str, ...] = ()
    smallest: tuple[int, ...] = ()


def admission(target: Target, device: str, dtype: str) -> Admission:
    """Call a target in training and in evaluation, more often than once only where it refuses.

    Args:
        target: The target.
        device: Where.
        dtype: Dtype of x.
    """
    try:
        smallest = features(target, dtype, device)
    except NotApplicable:  # another shape comes back, which DP005 judges
        smallest = ()
    except TargetRaised as error:
        return Admission(str(error), error.traceback)
    shape = (BATCH, *smallest)
    return Admission(
        refuses_keep_prob_zero=_refuses_keep_prob_zero(target, shape, dtype, device),
        form=_form(target.declaring(form="residual"), shape, dtype, device) if target.form_open else "",
        inside=_inside(target, shape, dtype, device),
        smallest=smallest,
    )


def _refuses_keep_prob_zero(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> bool:
    try:
        target.make(1.0)(target.framework.ones(shape, dtype, device), training=True)
    except TargetRaised as error:
        return error.kind in REFUSALS
    except NotApplicable:
        return False
    return False


def _form(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> str:
    """Return the form of a layer that wraps its branch.

    At drop_prob = 0 nothing is dropped or scaled, in any dialect. A layer that refuses 0 is called in evaluation at
    1/2, where what is dropped in training may be scaled by a half, or by two.
    """
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    x, shortcut = (target.framework.tensor(part, dtype, device) for part in (values, 100.0 + values))
    for drop_prob, gains in ((0.0, (1.0,)), (DROP_PROB, (1.0, 0.5, 2.0))):
        if drop_prob and not target.evaluates:
            break
        with suppress(TargetRaised, NotApplicable):
            output = target.make(drop_prob).with_shortcut(x, shortcut, training=not target.evaluates)
            found = target.framework.numpy(output)
            for form, added in (("residual", 100.0 + values), ("branch", 0.0 * values)):
                if any(found.shape == shape and np.allclose(found, added + gain * values, rtol=0.02) for gain in gains):
                    return form
    return ""


def _inside(target: Target, shape: tuple[int, ...], dtype: str, device: str) -> tuple[str, ...]:
    """Return the layers inside that drop paths, of a target that changes x where nothing is dropped."""
    layers = has(target.framework, Layers)
    found: tuple[str, ...] = ()
    with suppress(TargetRaised, NotApplicable):
        layer = target.make(0.0)
        found = layer.holds() if layers is not None else ()
        if not found:
            return ()
        values = np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape)
        x = target.framework.tensor(values, dtype, device)
        output = target.framework.numpy(layer(x, training=not target.evaluates))
        if output.shape == shape and np.allclose(output, target.framework.numpy(x), rtol=0.02):
            return ()
    return found
