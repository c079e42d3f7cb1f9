"""DP803 random-numbers: no more random numbers are consumed than decisions are made.

What it checks
    Every random number that a training call draws from the framework's generators in the calling thread, counted on
    its tape: one a sample is what a mask costs (one a call, one an element, where that is the granularity).
Why it matters
    A mask of full size costs as many random numbers as x has elements, which on an accelerator is more than the
    multiplication, and a buffer of that size beside it.
How to fix
    Draw a tensor of shape (B, 1, 1, …), once.
Seen in
    Layers that draw a number for every element and look at the first of each sample; layers that draw a mask and
    then draw it again.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.tape import NO_DRAW, tape_of
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

DROP_PROB, BATCH = 0.5, 16


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in how many numbers are drawn."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Record the draws of one call."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, tape = target.framework, tape_of(target.framework)
    shape = (BATCH, *features(target, case.dtype, case.device, wide=True))
    layer = target.make(case.drop_prob)
    x = framework.ones(shape, case.dtype, case.device)
    with tape.record(values=False) as draws:
        layer(x, training=True)
    if not draws:
        raise NotApplicable(f"{NO_DRAW} {framework.name}")
    return {
        "shape": list(shape),
        "numbers": sum(draw.numbers for draw in draws),
        "draws": [{"draw": draw.describe(), "shape": list(draw.shape)} for draw in draws],
    }


def decisions(evidence: Evidence, case: Case) -> int:
    """Return the decisions that the call had to make."""
    shape: list[int] = evidence["shape"]
    return {"sample": shape[0], "batch": 1, "element": prod(shape)}[case.dialect.granularity]


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Compare random numbers with decisions."""
    needed, numbers = decisions(evidence, case), evidence["numbers"]
    calls = ", ".join(f"{draw['draw']} of shape {draw['shape']}" for draw in evidence["draws"])
    share = Fraction(numbers, evidence["shape"][0])
    observed = f"{float(share):.6g} random numbers a sample, {numbers} for {needed} decisions ({calls})"
    if numbers > needed:
        return Verdict.failed(observed, promised=f"at most {needed} random numbers for x of shape {evidence['shape']}")
    return Verdict.passed(observed)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that counts what a call draws."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    lines = [*code.setup(), *code.construct(case.drop_prob)]
    lines += code.input(tuple(evidence["shape"]), case.dtype, case.device)
    lines += code.feed.replace("{values}", "None").splitlines()
    return "\n".join([
        *lines,
        "with feed:",
        f"    y = {code.output(case.drop_prob)}",
        "print('random numbers drawn, by call:', feed.drawn)",
        f"assert sum(feed.drawn) <= {decisions(evidence, case)}",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.INFO,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its generator must be watched while it runs; a recording cannot be driven",
    mutants=("mask_of_full_size", "draws_the_mask_twice", "draws_a_whole_buffer"),
)
