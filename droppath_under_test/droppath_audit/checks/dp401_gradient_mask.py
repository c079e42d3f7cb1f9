"""DP401 gradient-mask: the gradient is mask/keep_prob with the mask of the same forward pass, exactly.

What it checks
    For random x and random cotangents, the gradient of a dropped element is exactly zero and that of a kept one
    lies in the hull of the roundings of cotangent/keep_prob; which is which is read off the output of the same pass.
    Every second backward pass waits until the layer has been called once in evaluation.
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

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.code import rounding
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import chunks, interior, per_cell, script
from droppath_audit.probes.values import moderate
from droppath_audit.probes.wrapped import CalledBetween
from droppath_reference.law import gradient_interval, multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

BATCH = 512
SNIPPET_ELEMENTS = 2**19  # enough to meet what happens to one sample in thousands
PROMISED = "cotangent times the forward's own mask and factor"


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield cells in which a few hundred samples show both fates."""
    return grid.per_cell(device, effort, (0.1, 0.3, 0.5, 0.9))


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare gradients with outputs, element by element."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, layer = target.framework, target.make(case.drop_prob)
    shape = (BATCH, *features(target, case.dtype, case.device, wide=True))
    totals = {"elements": 0, "dropped": 0, "kept": 0, "dropped_with_gradient": 0, "kept_wrong": 0}
    example, between = None, False
    for number in range(case.effort.pick(2, 4, 16) * (8 if case.dialect.granularity == "batch" else 1)):
        evaluated = bool(number % 2 and target.evaluates)
        cotangent = moderate(rng, shape, case.dtype)
        x = framework.tensor(moderate(rng, shape, case.dtype), case.dtype, case.device)
        result = gradient_of(
            target,
            CalledBetween(layer, evaluated=True) if evaluated else layer,
            x,
            framework.tensor(cotangent, case.dtype, case.device),
        )
        if result.gradient is None:
            return {"reason": result.reason}
        dropped = framework.numpy(result.output) == 0
        gradient = framework.numpy(result.gradient)
        low, high = gradient_interval(cotangent, case.drop_prob, case.dtype, scaling=case.dialect.scaling)
        wrong_dropped = dropped & (gradient != 0)
        wrong_kept = ~dropped & ~((low <= gradient) & (gradient <= high))
        for name, where in (
            ("dropped", dropped),
            ("kept", ~dropped),
            ("dropped_with_gradient", wrong_dropped),
            ("kept_wrong", wrong_kept),
        ):
            totals[name] += int(np.count_nonzero(where))
        totals["elements"] += dropped.size
        if example is None and wrong_kept.any():
            example = [float(cotangent[wrong_kept][0]), float(gradient[wrong_kept][0])]
        if not between and (wrong_kept.any() or wrong_dropped.any()):
            if not evaluated:
                break  # what is wrong without that call needs no look at what it adds
            between = True
    return {"reason": "", "example": example, "between": between, "features": list(shape[1:]), **totals}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single element whose gradient is not what its output says."""
    if evidence["reason"]:
        return Verdict.failed(evidence["reason"], promised=PROMISED)
    observed = []
    if evidence["dropped_with_gradient"]:
        observed.append(
            f"{evidence['dropped_with_gradient']} of {evidence['dropped']} dropped elements have a gradient"
        )
    if evidence["kept_wrong"]:
        cotangent, gradient = evidence["example"]
        observed.append(
            f"{evidence['kept_wrong']} of {evidence['kept']} kept elements have a wrong gradient, "
            f"such as {gradient:.6g} for a cotangent of {cotangent:.6g}"
        )
    if observed:
        where = "after a call in evaluation before the backward pass, " if evidence.get("between") else ""
        return Verdict.failed(where + "; ".join(observed), promised=PROMISED)
    return Verdict.passed(f"{evidence['elements']} of {evidence['elements']} gradients agree with their outputs")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the gradient with the mask that the output for ones shows."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    features = evidence.get("features", (12,))
    batch = max(BATCH, SNIPPET_ELEMENTS // max(1, int(np.prod(features))))
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    tracked, bound, reaches, backward, has = code.differentiate(case.drop_prob)
    between = []
    if evidence.get("between"):
        between = [*code.switch(case.drop_prob, training=False), code.output(case.drop_prob, training=False)]
    return "\n".join([
        *code.setup(),
        *code.construct(case.drop_prob),
        *code.input((batch, *features), case.dtype, case.device),
        *(tracked, bound, reaches, *between, backward, has),
        f"wrong = abs(x.grad - {factor!r} * (y != 0)) > {rounding(case.dtype)!r} * {factor!r}",
        "print(wrong.sum(), 'of', y.numel(), 'gradients are not the mask of the output times the factor')",
        "assert not wrong.any()",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield the cells of which gradients were recorded."""
    found = [block for block in blocks if interior(block) and block.gradient]
    return (case for case in per_cell(found, effort) if case.decisions)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Compare recorded gradients, which are those of the sum of y, with their outputs."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    low, high = (float(end) for end in gradient_interval(1.0, case.drop_prob, case.dtype, scaling=case.dialect.scaling))
    totals = {"elements": 0, "dropped": 0, "kept": 0, "dropped_with_gradient": 0, "kept_wrong": 0}
    example = None
    for chunk in chunks(recording, case):
        assert chunk.gradient is not None  # noqa: S101
        dropped, kept = (chunk.y == chunk.base) & chunk.readable, (chunk.y != chunk.base) & chunk.readable
        wrong = kept & ~((low <= chunk.gradient) & (chunk.gradient <= high))
        for name, where in (
            ("elements", chunk.readable),
            ("dropped", dropped),
            ("kept", kept),
            ("dropped_with_gradient", dropped & (chunk.gradient != 0)),
            ("kept_wrong", wrong),
        ):
            totals[name] += int(np.count_nonzero(where))
        if example is None and wrong.any():
            example = [1.0, float(chunk.gradient[wrong][0])]
    return {"reason": "", "example": example, "features": [], **totals}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that compares recorded gradients with the mask that the outputs show."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    each = [
        "gradient = read(f'gradient.{block}')",
        f"wrong = abs(gradient - {factor!r} * (y != dropped)) > {rounding(case.dtype)!r} * {factor!r}",
        "wrong &= np.broadcast_to(x != 0, y.shape)",
        "print(wrong.sum(), 'of', wrong.size, 'gradients are not the mask of the output times the factor')",
        "assert not wrong.any()",
    ]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("gradient_with_another_mask", "gradient_without_factor", "detached_from_the_graph", "LooksAtItsModeLate"),
    recorded=Recorded(recorded_cases, collect_recorded, show_recorded, "the recording has no gradients"),
)
