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

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.gradients import gradient_of
from droppath_audit.sampling.inputs import features
from droppath_audit.sampling.values import moderate

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.target import Target

BATCH = 16
PROMISED = "a gradient of zeros that reaches x"


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A target that declares to refuse keep_prob = 0 has no gradient there."""
    return "the target declares that it refuses keep_prob = 0" if facts.dialect.keep_prob_zero == "raises" else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run one forward and backward pass."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    feature = features(target, case.dtype, case.device, wide=True)
    x, cotangent = (
        framework.tensor(moderate(rng, (BATCH, *feature), case.dtype), case.dtype, case.device) for _ in range(2)
    )
    result = gradient_of(target, target.make(1.0), x, cotangent)
    if result.gradient is None:
        return {"reason": result.reason, "features": list(feature)}
    gradient = framework.numpy(result.gradient)
    finite = np.isfinite(gradient)
    return {
        "reason": "",
        "elements": gradient.size,
        "not_finite": int(np.count_nonzero(~finite)),
        "nonzero": int(np.count_nonzero(gradient[finite])),
        "features": list(feature),
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where the gradient is missing or has an element other than zero."""
    if evidence["reason"]:
        return Verdict.failed(evidence["reason"], promised=PROMISED)
    elements = evidence["elements"]
    observed = []
    if evidence["not_finite"]:
        observed.append(f"{evidence['not_finite']} of {elements} gradients are NaN or infinite")
    if evidence["nonzero"]:
        observed.append(f"{evidence['nonzero']} of {elements} gradients are not zero")
    if observed:
        return Verdict.failed(", ".join(observed), promised=PROMISED)
    return Verdict.passed(f"{elements} of {elements} gradients are zero")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that prints the gradient at drop_prob = 1."""
    assert case.dtype is not None  # noqa: S101
    return "\n".join([
        *code.setup(),
        *code.construct(1.0),
        *code.input((256, *evidence["features"]), case.dtype, case.device),
        *code.differentiate(1.0),
        "print(x.grad)",
        "assert (x.grad == 0).all()",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "fresh_zeros_at_keep_prob_zero", "nan_backward_at_keep_prob_zero"),
    applicable=applicable,
)
