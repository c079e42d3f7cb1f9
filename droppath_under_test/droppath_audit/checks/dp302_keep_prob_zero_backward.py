"""DP302 keep-prob-zero-backward: with keep_prob = 0 the gradient of x is zero, finite and connected.

What it checks
    At drop_prob = 1, in every dtype, the backward pass from a random cotangent reaches x and leaves a gradient of
    zeros there, of x's shape.
Why it matters
    A NaN gradient destroys all weights in one step. A gradient that is missing, because zeros were created instead of
    computed, makes data-parallel training wait for ever for parameters that never report.
How to fix
    Select with where, or multiply by a mask of zeros without dividing by keep_prob; do not return a fresh tensor of
    zeros.
Seen in
    Every layer that fails DP301 by dividing; layers that return torch.zeros_like(x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.scripts.script import Script

PROMISED = "a gradient of zeros that reaches x"


BATCHES = (16, 15)


@dataclass(frozen=True)
class Seen:
    """Elements of gradients: all, those that are no finite numbers, other than zero; or why there is no gradient.

    ``odd``: whether it takes an odd batch.
    """

    reason: str
    elements: int
    not_finite: int
    nonzero: int
    features: tuple[int, ...]
    odd: bool = False


class KeepProbZeroBackward(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    recorded = Selection(
        lambda block: block.training and block.drop_prob == 1.0 and block.gradient,
        "dtype",
        "the recording has no gradients in training at drop_prob = 1",
    )
    needs = (Autograd,)
    mutants = (
        "floor_mask",
        "fresh_zeros_at_keep_prob_zero",
        "nan_backward_at_keep_prob_zero",
        "gradient_in_pairs",
    )

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """A target that declares to refuse keep_prob = 0 has no gradient there."""
        refuses = facts.dialect.keep_prob_zero == "raises"
        return "the target refuses keep_prob = 0, declared or not" if refuses else ""

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Look at every element of the gradient."""
        elements = not_finite = nonzero = 0
        reason, features, odd = "", tuple[int, ...](), False
        for calls in probe.gradients(*(Request(batch, moderate, wide=True) for batch in BATCHES), drop_prob=1.0):
            if reason or not_finite or nonzero:
                break
            reason, features, odd = calls.reason, calls.shape[1:], bool(calls.shape[0] % 2)
            if calls.gradient is not None:
                finite = np.isfinite(calls.gradient)
                elements += finite.size
                not_finite += int(np.count_nonzero(~finite))
                nonzero += int(np.count_nonzero(calls.gradient[finite]))
        return Seen(reason, elements, not_finite, nonzero, features, odd)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where the gradient is missing or has an element other than zero."""
        observed = [seen.reason] if seen.reason else []
        if seen.not_finite:
            observed.append(f"{seen.not_finite} of {seen.elements} gradients are NaN or infinite")
        if seen.nonzero:
            observed.append(f"{seen.nonzero} of {seen.elements} gradients are not zero")
        if observed:
            return Verdict.failed(", ".join(observed), promised=PROMISED)
        return Verdict.passed(f"{seen.elements} of {seen.elements} gradients are zero")

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Print gradients at drop_prob = 1."""
        zero = "assert (gradients == 0).all()"
        shape = (255 if seen.odd else 256, *seen.features)
        script.each("print(gradients)", zero, drop_prob=1.0, shape=shape, gradients=True)
