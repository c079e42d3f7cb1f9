"""DP405 connected: a dropped branch stays in the graph, with a zero gradient; in evaluation so does everything.

What it checks
    In every dtype, backward passes are run through batches in which every sample happened to be dropped: single
    samples and pairs at drop_prob 0.5, and everything at drop_prob 1. What lies before the layer must receive a
    gradient, and that gradient must be zero. A correct layer shows no such batch in 256 calls with probability
    (3/4)^256 = 1e-32; a target that shows none is not judged here. In evaluation the gradient must be the one that
    comes in (for scaling=eval, keep_prob times that).
Why it matters
    Parameters that receive no gradient at all, not even zero, make data-parallel training wait for ever for their
    reduction, or stop with an error about unused parameters. With small batches per device it happens after hours.
    Saliency maps, adversarial examples and the training of what lies before a frozen network differentiate through
    layers in evaluation.
How to fix
    Multiply by the mask or select with where; do not return a fresh tensor of zeros, or skip the branch, when
    everything is dropped; return x itself in evaluation, neither detached nor under no_grad.
Seen in
    LayerDrop: fairseq issue 3599; layers that return torch.zeros_like(x) where a whole batch is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.wrapped import Evaluated
from droppath_reference.law import evaluation_interval

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.frameworks.base import Target

SITUATIONS = ((0.5, 1), (0.5, 2), (1.0, 1), (1.0, 16))  # drop_prob, samples
CALLS = 256  # at most, in search of batches that were dropped
ENOUGH = 4  # of those
EVALUATED = (0.3, 4)  # drop_prob, samples
PROMISED = "a gradient of zeros that reaches what lies before the layer"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run backward passes until enough batches came back dropped."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    feature = features(target, case.dtype, case.device)
    situations = []
    for drop_prob, batch in SITUATIONS:
        if drop_prob == 1.0 and case.dialect.keep_prob_zero == "raises":
            continue
        layer = target.make(drop_prob)
        x = framework.ones((batch, *feature), case.dtype, case.device)
        seen = {"dropped": 0, "disconnected": 0, "nonzero": 0}
        reason = ""
        for _ in range(CALLS):
            result = framework.gradient(layer, x, x)
            if np.any(framework.numpy(result.output) != 0):
                continue
            seen["dropped"] += 1
            if result.gradient is None:
                if target.dialect.skips_branch:
                    raise NotApplicable(
                        "a dropped branch is skipped, as in Huang et al. 2016; data-parallel training then has to be "
                        "told of unused parameters"
                    )
                seen["disconnected"] += 1
                reason = result.reason
            elif np.any(framework.numpy(result.gradient) != 0):
                seen["nonzero"] += 1
            if seen["dropped"] == ENOUGH:
                break
        situations.append({"drop_prob": drop_prob, "batch": batch, "reason": reason, **seen})
    evaluated = _evaluated(target, case, feature)
    if not any(seen["dropped"] for seen in situations) and not evaluated:
        raise NotApplicable("no batch came back dropped (see DP102, DP301)")
    return {"situations": situations, "features": list(feature), "evaluated": evaluated}


def _evaluated(target: Target, case: Case, feature: tuple[int, ...]) -> str:
    """Return what is wrong with the gradient in evaluation, if anything is."""
    assert case.dtype is not None  # noqa: S101
    drop_prob, batch = EVALUATED
    if not target.evaluates:
        return ""
    framework = target.framework
    x = framework.ones((batch, *feature), case.dtype, case.device)
    result = framework.gradient(Evaluated(target.make(drop_prob)), x, x)
    if result.gradient is None:
        return result.reason
    low, high = _promised_in_evaluation(case)
    gradient = framework.numpy(result.gradient)
    wrong = ~((low <= gradient) & (gradient <= high))
    return f"the gradient of {int(wrong.sum())} of {wrong.size} elements is wrong" if wrong.any() else ""


def _promised_in_evaluation(case: Case) -> tuple[float, float]:
    """Return the interval of the gradient for a cotangent of one, which is that of the output for an input of one."""
    low, high = evaluation_interval(1.0, EVALUATED[0], str(case.dtype), scaling=case.dialect.scaling)
    return float(low), float(high)


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single dropped batch without a gradient of zeros, or on a wrong gradient in evaluation."""
    dropped = sum(seen["dropped"] for seen in evidence["situations"])
    for seen in evidence["situations"]:
        where = f"of {seen['dropped']} dropped batches of {seen['batch']} at drop_prob {seen['drop_prob']:g}"
        if seen["disconnected"]:
            return Verdict.failed(f"{seen['disconnected']} {where}: {seen['reason']}", promised=PROMISED)
        if seen["nonzero"]:
            return Verdict.failed(f"{seen['nonzero']} {where} have a gradient other than zero", promised=PROMISED)
    if evidence["evaluated"]:
        return Verdict.failed(f"in evaluation {evidence['evaluated']}", promised="the gradient of evaluation's output")
    return Verdict.passed(f"{dropped} of {dropped} dropped batches pass a gradient of zeros on")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that waits for a dropped batch and looks at its gradient."""
    assert case.dtype is not None  # noqa: S101
    seen = next((seen for seen in evidence["situations"] if seen["disconnected"] or seen["nonzero"]), None)
    if seen is None:
        p, batch = EVALUATED
        low, high = _promised_in_evaluation(case)
        return "\n".join([
            *code.setup(),
            *code.construct(p, training=False),
            *code.input((batch, *evidence["features"]), case.dtype, case.device),
            code.track,
            f"y = {code.output(p, training=False)}",
            code.must_be_tracked,
            code.backward,
            "assert x.grad is not None, 'the graph does not reach x'",
            "print('the gradient in evaluation is', x.grad)",
            f"assert (({low!r} <= x.grad) & (x.grad <= {high!r})).all()",
        ])  # fmt: skip
    p = seen["drop_prob"]
    return "\n".join([
        *code.setup(),
        *code.construct(p),
        *code.input((seen["batch"], *evidence["features"]), case.dtype, case.device),
        code.track,
        f"for _ in range({CALLS}):",
        f"    y = {code.output(p)}",
        "    if (y == 0).all():",
        "        break",
        code.must_be_tracked,
        code.backward,
        "print('everything was dropped; the gradient is', x.grad)",
        "assert x.grad is not None and (x.grad == 0).all()",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its graph must be looked at; a recording cannot be driven",
    mutants=(
        "fresh_zeros_at_keep_prob_zero",
        "fresh_zeros_for_a_dropped_batch",
        "SkipsADroppedBranch",
        "detached_in_evaluation",
    ),
)
