"""DP403 second-order: the gradient can be differentiated again: by x that gives zero, by its cotangent mask/keep_prob.

What it checks
    The layer is linear in x, so its gradient does not depend on x and is linear in its cotangent. In every dtype, on
    even and odd batches, at drop_prob 0, 0.3 and 0.9, the gradient is built as part of the graph and differentiated in
    a random direction: the derivative by x is zero or absent, that by the cotangent is zero where the output was
    dropped and in the hull of the roundings of direction/keep_prob where it was kept.
Why it matters
    Gradient penalties, meta-learning and Hessian products differentiate through a gradient. A hand-written backward
    pass that leaves the graph makes them raise, or, worse, lets a penalty go without any effect.
How to fix
    Write the backward pass in differentiable operations on the gradient and on saved tensors, without no_grad, detach
    or NumPy; or let autograd differentiate the multiplication.
Seen in
    Hand-written backward passes marked once_differentiable; those that compute in NumPy or in an extension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, SecondOrder
from droppath_audit.probes.gradients import UNREACHED, gradient_of
from droppath_audit.probes.values import moderate
from droppath_reference.law import gradient_interval

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH, SEVERAL = 128, 8  # SEVERAL samples where a call is one decision
DROP_PROBS = (0.0, 0.3, 0.9)
PROMISED = "a second derivative of zero by x, and of mask/keep_prob by the cotangent"


@dataclass(frozen=True)
class Derivatives:
    """What was seen at one drop_prob: elements, those that are wrong, and why there is no second derivative.

    ``odd``: whether it takes an odd batch.
    """

    drop_prob: float
    elements: int
    by_x: int
    by_cotangent: int
    reason: str
    odd: bool = False

    @property
    def wrong(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        at = f" at drop_prob {self.drop_prob:g}"
        parts = (
            (self.reason, self.reason),
            (self.by_x, f"{self.by_x} of {self.elements} second derivatives by x are not zero"),
            (self.by_cotangent, f"{self.by_cotangent} of {self.elements} by the cotangent are wrong"),
        )
        return tuple(text + at for broken, text in parts if broken)


@dataclass(frozen=True)
class Seen:
    """What was seen at each drop_prob, and the features of x."""

    found: tuple[Derivatives, ...]
    features: tuple[int, ...]


class SecondOrderGradients(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes()
    driven = "its gradient must be differentiated again"
    needs = (Autograd, SecondOrder)
    mutants = (
        "differentiable_once",
        "gradient_outside_the_graph",
        "gradient_from_a_ratio",
        "backward_in_numpy",
        "mask_forgotten_the_second_time",
        "gradient_in_pairs",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Differentiate twice at each drop_prob; what raises only the second time is this check's to report."""
        features = probe.features()
        return Seen(tuple(_derivatives(probe, drop_prob) for drop_prob in DROP_PROBS), features)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where there is no second derivative, or a single element of it is wrong."""
        observed = [text for one in seen.found for text in one.wrong]
        if observed:
            return Verdict.failed("; ".join(observed), promised=PROMISED)
        total = sum(one.elements for one in seen.found)
        if not total:
            return Verdict.not_applicable(UNREACHED)
        return Verdict.passed(f"{total} of {total} second derivatives are right")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Differentiate twice at the first drop_prob at which that went wrong."""
        first = next(one for one in seen.found if one.wrong)
        p = first.drop_prob
        low, high = map(float, gradient_interval(1.0, p, at.dtype, scaling=at.dialect.scaling))
        script.layer(p)
        script.ones((511 if first.odd else 512, *seen.features))
        script.track()
        script.run(p)
        with script.must_not_raise("the gradient cannot be differentiated"):
            script.add(*script.spell.twice("x", "y"))
        script.add(
            f"assert by_x is None or ({script.array('by_x')} == 0).all(), 'the gradient depends on x'",
            "assert by_cotangent is not None, 'the gradient does not depend on its cotangent'",
            f"second, dropped = {script.array('by_cotangent')}, {script.array('y')} == 0",
            f"assert np.where(dropped, second == 0, ({low!r} <= second) & (second <= {high!r})).all()",
        )


def _derivatives(probe: LiveProbe[DtypeCase], drop_prob: float) -> Derivatives:
    """Differentiate twice, a few times, as long as that is possible."""
    target, framework, layer, at = probe.target, probe.framework, probe.make(drop_prob), probe.at
    batch = SEVERAL if at.per_call else BATCH
    shape = probe.declared(batch) if at.sample > 1 else probe.shape(batch)  # fewer samples where they are large
    batch = shape[0]
    elements = wrong_by_x = wrong_by_cotangent = 0
    reason, odd = "", False
    for turn in range(at.effort.pick(2, 4, 16) * (8 if at.per_call else 1)):
        if wrong_by_x or wrong_by_cotangent:
            break
        shape = (max(1, batch - turn % 2), *shape[1:])
        odd = bool(shape[0] % 2)
        values = [moderate(probe.rng, shape, probe.dtype) for _ in range(3)]
        x, cotangent, direction = map(probe.tensor, values)
        if gradient_of(target, layer, x, cotangent).gradient is None:
            break  # which is DP401's to report
        try:
            result = probe.ask(SecondOrder).second_order(layer, x, cotangent, direction)
        except TargetRaised as error:
            reason = f"raised {error}"
            break
        if target.dialect.skips_branch and not np.any(framework.numpy(result.output)):
            continue  # a branch that was not run has no derivatives of any order
        if result.by_cotangent is None:
            reason = result.reason or "the gradient does not depend on its cotangent"
            break
        dropped, by_cotangent = framework.numpy(result.output) == 0, framework.numpy(result.by_cotangent)
        low, high = gradient_interval(values[2], drop_prob, probe.dtype, scaling=at.dialect.scaling)
        right = np.where(dropped, by_cotangent == 0, (low <= by_cotangent) & (by_cotangent <= high))
        elements += dropped.size
        wrong_by_cotangent += int(np.count_nonzero(~right))
        wrong_by_x += 0 if result.by_x is None else int(np.count_nonzero(framework.numpy(result.by_x)))
    return Derivatives(drop_prob, elements, wrong_by_x, wrong_by_cotangent, reason, odd)
