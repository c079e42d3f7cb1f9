"""DP401 gradient-mask: the gradient is mask/keep_prob with the mask of the same forward pass, exactly.

What it checks
    For random x and random cotangents, the gradient of a dropped element is exactly zero and that of a kept one
    lies in the hull of the roundings of cotangent/keep_prob; which is which is read off the output of the same pass.
    Batches are even and odd. Some backward passes wait until the layer has been called once in evaluation, and some
    until its drop_prob was set to something else.
Why it matters
    A backward pass that draws a second mask, or forgets the factor, trains: towards something else. Losses fall,
    and accuracy is a little worse than it could be. One that looks at the layer's mode or drop_prob when it runs
    finds what they have become by then: after a validation in between, or a schedule's step.
How to fix
    Let autograd differentiate the multiplication; in a custom backward, save the mask and the factor of the forward.
Seen in
    pytorch issue 190717: a compiled backward pass that draws its mask again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import rounding
from droppath_reference.law import gradient_interval, multiplier

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script

BATCH = 512
EVALUATED = "a call in evaluation"
CHANGED = "another drop_prob"
SHOWN = 2**19  # elements of a script: enough to meet what happens to one sample in thousands
PROMISED = "cotangent times the forward's own mask and factor"


@dataclass(frozen=True)
class Seen:
    """Gradients beside their outputs.

    Attributes:
        features: Features of x.
        reason: Why there is no gradient; empty where there is one.
        elements: Elements whose output says whether they were kept.
        dropped: Dropped ones.
        kept: Kept ones.
        dropped_with_gradient: Dropped ones whose gradient is not zero.
        kept_wrong: Kept ones whose gradient is off.
        example: Cotangent and gradient of one of these.
        between: What must come between forward and backward pass for that; empty where nothing has to.
        odd: Whether it takes an odd batch.
    """

    features: tuple[int, ...]
    reason: str = ""
    elements: int = 0
    dropped: int = 0
    kept: int = 0
    dropped_with_gradient: int = 0
    kept_wrong: int = 0
    example: tuple[float, float] | None = None
    between: str = ""
    odd: bool = False


class GradientMask(Check[Seen, Cell]):
    where = Cells((0.1, 0.3, 0.5, 0.9))  # where a few hundred samples show both fates
    in_variants = Cells((0.1, 0.5), ("float32",))
    recorded = Selection(
        lambda block: interior(block) and block.gradient,
        "cell",
        "the recording has no gradients",
        lambda case: case.decisions > 0,
    )
    needs = (Autograd,)
    mutants = (
        "gradient_with_another_mask",
        "gradient_without_factor",
        "detached_from_the_graph",
        "LooksAtItsModeLate",
        "LooksAtItsRateLate",
        "gradient_in_pairs",
    )

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Compare gradients with outputs, element by element."""
        at, evaluates = probe.at, isinstance(probe, LiveProbe) and probe.target.evaluates
        number = at.effort.pick(1, 2, 8) * (8 if at.per_call else 1)
        plain = Request(BATCH, moderate, wide=True)
        turns = (
            plain,
            replace(plain, batch=BATCH - 1),
            replace(plain, evaluated=evaluates),
            replace(plain, changed=_other(at)),
        )
        requests = [request for _ in range(number) for request in turns]
        elements = dropped = kept = dropped_with_gradient = kept_wrong = 0
        example, between, odd, features = None, "", False, tuple[int, ...]()
        for calls in probe.gradients(*requests):
            features, gradient = calls.shape[1:], calls.gradient
            if gradient is None:
                return Seen(features, calls.reason, odd=bool(calls.shape[0] % 2))
            low, high = gradient_interval(calls.cotangent, calls.drop_prob, calls.dtype, scaling=at.dialect.scaling)
            gone, there = calls.readable & (calls.y == calls.base), calls.readable & (calls.y != calls.base)
            stray, wrong = gone & (gradient != 0), there & ~((low <= gradient) & (gradient <= high))
            elements, dropped, kept, dropped_with_gradient, kept_wrong = (
                total + int(np.count_nonzero(where))
                for total, where in (
                    (elements, calls.readable),
                    (dropped, gone),
                    (kept, there),
                    (dropped_with_gradient, stray),
                    (kept_wrong, wrong),
                )
            )
            if example is None and wrong.any():
                cotangents = np.broadcast_to(calls.cotangent, gradient.shape)
                example = (float(cotangents[wrong][0]), float(gradient[wrong][0]))
            if not at.blocks and (stray.any() or wrong.any()):
                request, odd = requests[calls.first], bool(calls.shape[0] % 2)
                between = EVALUATED if request.evaluated else CHANGED if request.changed is not None else ""
                break  # what is wrong without more needs no look at what that adds
        return Seen(features, "", elements, dropped, kept, dropped_with_gradient, kept_wrong, example, between, odd)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail on a single element whose gradient is not what its output says."""
        if seen.reason:
            return Verdict.failed(seen.reason, promised=PROMISED)
        observed = []
        if seen.dropped_with_gradient:
            observed.append(f"{seen.dropped_with_gradient} of {seen.dropped} dropped elements have a gradient")
        if seen.example is not None:
            cotangent, gradient = seen.example
            observed.append(
                f"{seen.kept_wrong} of {seen.kept} kept elements have a wrong gradient, "
                f"such as {gradient:.6g} for a cotangent of {cotangent:.6g}"
            )
        if observed:
            where = f"with {seen.between} before the backward pass, " if seen.between else ""
            where += "in an odd batch, " if seen.odd else ""
            return Verdict.failed(where + "; ".join(observed), promised=PROMISED)
        return Verdict.passed(f"{seen.elements} of {seen.elements} gradients agree with their outputs")

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the gradient with the mask that the output shows."""
        p, factor = at.drop_prob, multiplier(at.drop_prob, at.dialect.scaling)
        body = [
            f"wrong = abs(gradients - {factor!r} * (ys != {script.dropped})) > {rounding(at.dtype)!r} * {factor!r}",
            "wrong &= xs != 0  # where x is 0, nothing can be seen",
            "print(wrong.sum(), 'of', wrong.size, 'gradients are not the mask of the output times the factor')",
            "assert not wrong.any()",
        ]
        shape = (max(BATCH, SHOWN // max(1, prod(seen.features))) - seen.odd, *seen.features)
        if isinstance(script, LiveScript):
            cotangent = seen.example[0] if seen.example is not None else 1.0
            low, high = map(float, gradient_interval(cotangent, p, at.dtype, scaling=at.dialect.scaling))
            script.imports("from math import inf, nan")
            script.layer(p)
            script.ones((BATCH - seen.odd, *seen.features) if seen.reason else shape)
            script.track()
            script.run(p)
            if seen.between == CHANGED:
                script.assign(_other(at))
            elif seen.between:
                script.switch(p, training=False)
                script.add(script.call(p, training=False))
            script.backward(cotangent)
            script.read_gradient()
            script.add(
                f"dropped = {script.array('y')} == 0",
                f"right = np.where(dropped, gradient == 0, ({low!r} <= gradient) & (gradient <= {high!r}))",
                "print((~right).sum(), 'of', right.size, 'gradients are not the mask of the output times the factor')",
                "assert right.all()",
            )
        else:
            script.each(*body, shape=shape, xs=True, gradients=True)


def _other(at: Cell) -> float:
    """Return a drop_prob that is far from the cell's."""
    return 0.9 if at.drop_prob < 0.5 else 0.1
