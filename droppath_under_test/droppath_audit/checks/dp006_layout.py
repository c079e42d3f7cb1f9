"""DP006 layout: the output has the strides of x; channels_last stays channels_last.

What it checks
    In training and in evaluation, for x of rank 4 (or the SPEC's shape) that is contiguous, transposed, sliced, offset
    or channels_last, the output has the strides that an elementwise operation on x leaves.
Why it matters
    A layer that makes its output contiguous converts a channels_last network back at every block: each convolution
    after it converts again, and the speed that the format was chosen for is gone.
How to fix
    Use elementwise operations on x as it is; no contiguous(), reshape or view on the way.
Seen in
    Layers that flatten the samples before masking them and restore the shape afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

BATCH = 4
FEATURES = (3, 5, 2)
DROP_PROB = 0.5


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case: strides know no dtype."""
    yield Case(device, "float64", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare strides for every layout."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    shape = (BATCH, *(target.fixed_shape[1:] if target.fixed_shape else FEATURES))
    layer = target.make(DROP_PROB)
    calls, changed = 0, []
    for layout in framework.layouts:
        if layout == "expanded":
            continue  # an elementwise operation gives such a tensor memory of its own
        for training in (True, False) if target.evaluates else (True,):
            values = moderate(rng, shape, case.dtype)
            x = framework.tensor(values, case.dtype, case.device, layout=layout)
            try:
                y = layer(x, training=training)
            except TargetRaised as error:
                raise NotApplicable(f"the target takes no input of this rank: {error}") from error
            if framework.info(y) != framework.info(x):
                raise NotApplicable("the target does not keep the shape of this input (see DP005)")
            calls += 1
            before, after = framework.strides(x), framework.strides(y)
            if before != after:
                changed.append({"layout": layout, "training": training, "x": list(before), "y": list(after)})
    return {"calls": calls, "changed": changed, "shape": list(shape)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single layout that is lost."""
    changed, calls = evidence["changed"], evidence["calls"]
    if not changed:
        return Verdict.passed(f"{calls} of {calls} calls keep the strides of x")
    first = changed[-1]
    mode = "training" if first["training"] else "evaluation"
    return Verdict.failed(
        f"{first['layout']} x of strides {first['x']} becomes {first['y']} in {mode}; "
        f"{len(changed)} of {calls} calls change strides"
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that prints the strides before and after."""
    assert case.dtype is not None  # noqa: S101
    last, shape = evidence["changed"][-1], tuple(evidence["shape"])
    lines = code.input(shape, case.dtype, case.device, random=True)
    strides = code.layouts.get(last["layout"], "")
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB, training=last["training"]),
        lines[0],
        *([strides] if strides else []),
        *(["shortcut = 0 * x"] if code.takes_shortcut else []),
        f"y = {code.output(DROP_PROB, training=last['training'])}",
        "print(x.stride(), '->', y.stride())",
        "assert y.stride() == (x * 1).stride() or y is x",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its input must be laid out, and the layout of the output looked at; a recording cannot be driven",
    mutants=("returns_contiguous",),
)
