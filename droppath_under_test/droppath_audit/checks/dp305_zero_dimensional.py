"""DP305 zero-dimensional: a tensor of rank 0 is refused clearly, or counts as one sample.

What it checks
    A tensor of rank 0 passes through 64 training calls at drop_prob 0.5. Either TypeError, ValueError or RuntimeError
    is raised with a message (an IndexError from inside says nothing), or the output has rank 0 and is 0 or what a
    kept value is, to one percent.
Why it matters
    Losses and other scalars are tensors of rank 0. One that gains an axis broadcasts what it meets.
How to fix
    Build the mask's shape so that rank 0 gives (), as the reference does, or check the rank and say what is expected.
Seen in
    Layers that begin with x.shape[0], which raise IndexError: tuple index out of range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Target

CALLS = 64
DROP_PROB = 0.5
CLEAR = ("TypeError", "ValueError", "RuntimeError")


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case: ranks know no dtype."""
    yield Case(device, "float64", effort=effort)


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A fixed input has a rank already."""
    return "the SPEC fixes the shape of the input" if facts.fixed_shape else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Call the target with a scalar tensor."""
    assert case.dtype is not None  # noqa: S101
    framework, layer = target.framework, target.make(DROP_PROB)
    x = framework.ones((), case.dtype, case.device)
    kept = multiplier(DROP_PROB, case.dialect.scaling)
    values: set[float] = set()
    for _ in range(CALLS):
        try:
            y = layer(x, training=True)
        except TargetRaised as error:
            return {"kind": error.kind, "text": error.text}
        if framework.info(y) != framework.info(x):
            return {"kind": "", "became": str(framework.info(y)), "values": []}
        values.add(float(framework.numpy(y)))
    wrong = [value for value in sorted(values) if value != 0 and not abs(value - kept) <= 0.01 * kept]
    return {"kind": "", "became": "", "values": wrong}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Say what happens; fail on a wrong shape or value, or an unclear exception."""
    if evidence["kind"]:
        observed = f"{evidence['kind']}: {evidence['text']}"
        return Verdict.passed(observed) if evidence["kind"] in CLEAR and evidence["text"] else Verdict.failed(observed)
    if evidence["became"]:
        return Verdict.failed(f"the output is {evidence['became']}")
    if evidence["values"]:
        return Verdict.failed(f"the output is {evidence['values'][0]:.6g}")
    return Verdict.passed("one decision")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that calls the target with a scalar tensor."""
    assert case.dtype is not None  # noqa: S101
    kept = multiplier(DROP_PROB, case.dialect.scaling)
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB),
        *code.input((), case.dtype, case.device),
        "try:",
        f"    ys = [{code.output(DROP_PROB)} for _ in range({CALLS})]",
        f"except ({', '.join(CLEAR)}) as error:",
        "    assert str(error)",
        "except Exception as error:",
        "    raise AssertionError(f'unclear: {error!r}') from error",
        "else:",
        "    print(ys[0])",
        f"    assert all(len(y.shape) == 0 and (y == 0 or abs(y - {kept!r}) <= {0.01 * kept!r}) for y in ys)",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.INFO,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called on a tensor of rank 0, which has no batch to record; a recording cannot be driven",
    mutants=("adds_an_axis_to_scalars",),
    applicable=applicable,
)
