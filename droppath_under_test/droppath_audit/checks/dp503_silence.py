"""DP503 silence: evaluation, and training with drop_prob = 0, consume no random numbers.

What it checks
    The state of the framework's generator is the same before and after a call in evaluation, and before and after a
    training call at drop_prob = 0.
Why it matters
    Where they do consume, switching a block off, or evaluating in the middle of an epoch, changes every random number
    after it: two runs that should be comparable are not.
How to fix
    Return x before any random number is drawn: ask for the mode and for drop_prob first.
Seen in
    EfficientNet-PyTorch's drop_connect, which draws at drop_prob = 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare generator states around calls that have nothing to decide."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    x = framework.ones((16, *features(target, case.dtype, case.device)), case.dtype, case.device)
    calls = [(0.0, True), *([(0.5, False)] if target.evaluates else [])]
    drew = []
    for drop_prob, training in calls:
        layer = target.make(drop_prob)
        before = framework.generator_state(case.device)
        layer(x, training=training)
        if framework.generator_state(case.device) != before:
            drew.append({"drop_prob": drop_prob, "training": training})
    return {"calls": len(calls), "drew": drew}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where random numbers were consumed for nothing."""
    if not evidence["drew"]:
        return Verdict.passed("no random numbers consumed")
    where = ["training at drop_prob = 0" if call["training"] else "evaluation" for call in evidence["drew"]]
    return Verdict.failed(f"random numbers are consumed in {' and in '.join(where)}", promised="none are consumed")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the next random numbers with and without the call."""
    call = evidence["drew"][0]
    lines = [*code.setup(), *code.construct(call["drop_prob"], training=call["training"]),
             *code.input((16, 1), "float32", case.device)]  # fmt: skip
    numbers = code.random.replace("{shape}", "4").replace("{dtype}", "float32").replace("{device}", repr(case.device))
    return "\n".join([
        *lines,
        code.setup()[-1],
        f"untouched = {numbers}.tolist()",
        code.setup()[-1],
        code.output(call["drop_prob"], training=call["training"]),
        f"after = {numbers}.tolist()",
        "print(untouched, after, sep='\\n')",
        "assert after == untouched",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its generator must be watched while it runs; a recording cannot be driven",
    mutants=("draws_for_nothing",),
)
