"""DP306 declared-refusal: a target that declares keep_prob_zero=raises raises ValueError there, and only there.

What it checks
    Where the dialect says keep_prob_zero=raises, the constructor or the first training call at drop_prob 1 raises
    ValueError, in every dtype, and drop_prob 0.999 is accepted by both. This takes the place of DP301 and DP302.
Why it matters
    A refusal is a legitimate answer to keep_prob = 0, if it can be relied upon: callers catch ValueError, and a
    schedule that ends at 0.999 must still run.
How to fix
    Compare drop_prob with 1 where the layer is constructed or first called, and raise ValueError with the value.
Seen in
    mindcv, whose dropout accepts a keep_prob in (0, 1] alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Target

ACCEPTED = 0.999


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """Only a declared refusal is looked for."""
    return "" if facts.dialect.keep_prob_zero == "raises" else "the target does not declare keep_prob_zero=raises"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Construct and call the target at keep_prob = 0 and next to it."""
    assert case.dtype is not None  # noqa: S101
    shape = (2, *features(target, case.dtype, case.device, wide=True))
    x = target.framework.ones(shape, case.dtype, case.device)
    outcomes = {}
    for name, drop_prob in (("refused", 1.0), ("accepted", ACCEPTED)):
        try:
            target.make(drop_prob)(x, training=True)
            outcomes[name] = ""
        except TargetRaised as error:
            outcomes[name] = error.kind
    return {**outcomes, "shape": list(shape)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on another exception, on none, and on one that comes too early."""
    if evidence["refused"] != "ValueError":
        observed = f"{evidence['refused'] or 'no exception'} at keep_prob = 0"
        return Verdict.failed(observed, promised="ValueError, as the target declares")
    if evidence["accepted"]:
        return Verdict.failed(f"{evidence['accepted']} at drop_prob {ACCEPTED}", promised="a refusal of 1 alone")
    return Verdict.passed("ValueError at keep_prob = 0, and only there")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that expects the refusal, or that it does not come too early."""
    assert case.dtype is not None  # noqa: S101
    early = evidence["refused"] == "ValueError"
    setup = code.setup()
    body = code.run(ACCEPTED if early else 1.0, tuple(evidence["shape"]), case.dtype, case.device)[len(setup) :]
    if early:
        ending = ["except ValueError as error:", "    raise AssertionError('refused too early') from error"]
    else:
        ending = [
            "except ValueError:",
            "    print('refused, as declared')",
            "except Exception as error:",
            "    raise AssertionError('not a ValueError') from error",
        ]
        if not evidence["refused"]:
            ending += ["else:", "    raise AssertionError('there is no exception at keep_prob = 0')"]
    return "\n".join([*setup, "try:", *(f"    {line}" for line in body), *ending])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be asked for what it declares to refuse; a recording cannot be driven",
    mutants=("asserts_instead_of_refusing", "refuses_too_early"),
    applicable=applicable,
)
