"""DP403 second-order: the gradient can be differentiated again: by x that gives zero, by its cotangent mask/keep_prob.

What it checks
    The layer is linear in x, so its gradient does not depend on x and is linear in its cotangent. In every dtype, at
    drop_prob 0, 0.3 and 0.9, the gradient is built as part of the graph and differentiated in a random direction: the
    derivative by x is zero or absent, that by the cotangent is zero where the output was dropped and in the hull of
    the roundings of direction/keep_prob where it was kept.
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

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.code import rounding
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.inputs import features
from droppath_audit.probes.values import moderate
from droppath_reference.law import gradient_interval, multiplier

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.frameworks.base import Layer, Target

    Floats = npt.NDArray[np.float64]

BATCH, SEVERAL = 128, 8  # SEVERAL samples where a call is one decision
DROP_PROBS = (0.0, 0.3, 0.9)
PROMISED = "a second derivative of zero by x, and of mask/keep_prob by the cotangent"


@dataclass
class Seen:
    """What was seen at one drop_prob: elements, those that are wrong, and why there is no second derivative."""

    drop_prob: float
    elements: int = 0
    by_x: int = 0
    by_cotangent: int = 0
    reason: str = ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Differentiate twice at each drop_prob; what raises only the second time is this check's to report."""
    assert case.dtype is not None  # noqa: S101
    per_call = case.dialect.granularity == "batch"
    shape = (SEVERAL if per_call else BATCH, *features(target, case.dtype, case.device))
    found = []
    for drop_prob in DROP_PROBS:
        layer, seen = target.make(drop_prob), Seen(drop_prob)
        for _ in range(case.effort.pick(2, 4, 16) * (8 if per_call else 1)):
            x, cotangent, direction = (moderate(rng, shape, case.dtype) for _ in range(3))
            if not _twice(target, layer, case, (x, cotangent, direction), seen):
                break
        found.append(asdict(seen))
    return {"found": found, "shape": list(shape)}


def _twice(target: Target, layer: Layer, case: Case, values: tuple[Floats, Floats, Floats], seen: Seen) -> bool:
    """Differentiate twice and add what is wrong to ``seen``; return whether that was possible."""
    assert case.dtype is not None  # noqa: S101
    framework, dtype = target.framework, case.dtype
    x, cotangent, direction = (framework.tensor(value, dtype, case.device) for value in values)
    if gradient_of(target, layer, x, cotangent).gradient is None:
        return False  # which is DP401's to report
    try:
        result = framework.second_order(layer, x, cotangent, direction)
    except TargetRaised as error:
        seen.reason = f"raised {error}"
        return False
    if target.dialect.skips_branch and not np.any(framework.numpy(result.output)):
        return True  # a branch that was not run has no derivatives of any order
    if result.by_cotangent is None:
        seen.reason = result.reason or "the gradient does not depend on its cotangent"
        return False
    dropped, by_cotangent = framework.numpy(result.output) == 0, framework.numpy(result.by_cotangent)
    low, high = gradient_interval(values[2], seen.drop_prob, dtype, scaling=case.dialect.scaling)
    right = np.where(dropped, by_cotangent == 0, (low <= by_cotangent) & (by_cotangent <= high))
    seen.elements += dropped.size
    seen.by_cotangent += int(np.count_nonzero(~right))
    seen.by_x += 0 if result.by_x is None else int(np.count_nonzero(framework.numpy(result.by_x)))
    return True


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where there is no second derivative, or a single element of it is wrong."""
    observed = []
    for seen in evidence["found"]:
        at = f" at drop_prob {seen['drop_prob']:g}"
        if seen["reason"]:
            observed.append(seen["reason"] + at)
        if seen["by_x"]:
            observed.append(f"{seen['by_x']} of {seen['elements']} second derivatives by x are not zero{at}")
        if seen["by_cotangent"]:
            observed.append(f"{seen['by_cotangent']} of {seen['elements']} by the cotangent are wrong{at}")
    if observed:
        return Verdict.failed("; ".join(observed), promised=PROMISED)
    total = sum(seen["elements"] for seen in evidence["found"])
    if not total:
        return Verdict.not_applicable("the gradient does not reach x in the first place (see DP401)")
    return Verdict.passed(f"{total} of {total} second derivatives are right")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that differentiates twice at the first drop_prob at which that went wrong."""
    assert case.dtype is not None  # noqa: S101
    seen = next(seen for seen in evidence["found"] if seen["reason"] or seen["by_x"] or seen["by_cotangent"])
    p = seen["drop_prob"]
    factor = multiplier(p, case.dialect.scaling)
    return "\n".join([
        *code.setup(),
        *code.construct(p),
        *code.input((512, *evidence["shape"][1:]), case.dtype, case.device),
        code.track,
        f"y = {code.output(p)}",
        "try:",
        *(f"    {line}" for line in code.second.splitlines()),
        "except Exception as error:",
        "    raise AssertionError('the gradient cannot be differentiated') from error",
        "assert second[0] is None or (second[0] == 0).all(), 'the gradient depends on x'",
        "assert second[1] is not None, 'the gradient does not depend on its cotangent'",
        f"assert (abs(second[1] - {factor!r} * (y != 0)) <= {rounding(case.dtype)!r} * {factor!r}).all()",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its gradient must be differentiated again; a recording cannot be driven",
    mutants=(
        "differentiable_once",
        "gradient_outside_the_graph",
        "gradient_from_a_ratio",
        "backward_in_numpy",
        "mask_forgotten_the_second_time",
    ),
)
