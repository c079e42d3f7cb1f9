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
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import chunks, per_dtype, script
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

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


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype of which gradients were recorded at drop_prob = 1."""
    return per_dtype([block for block in blocks if block.training and block.drop_prob == 1 and block.gradient], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Look at every recorded gradient."""
    totals = {"elements": 0, "not_finite": 0, "nonzero": 0}
    for chunk in chunks(recording, case):
        assert chunk.gradient is not None  # noqa: S101
        finite = np.isfinite(chunk.gradient)
        totals["elements"] += finite.size
        totals["not_finite"] += int(np.count_nonzero(~finite))
        totals["nonzero"] += int(np.count_nonzero(chunk.gradient[finite]))
    return {"reason": "", "features": [], **totals}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that prints recorded gradients at drop_prob = 1."""
    each = ["gradient = read(f'gradient.{block}')", "print(gradient)", "assert (gradient == 0).all()"]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "fresh_zeros_at_keep_prob_zero", "nan_backward_at_keep_prob_zero"),
    applicable=applicable,
    recorded=Recorded(
        recorded_cases, collect_recorded, show_recorded, "the recording has no gradients in training at drop_prob = 1"
    ),
)
