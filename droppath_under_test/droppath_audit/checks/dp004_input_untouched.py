"""DP004 input-untouched: x is not written to, not even with the values that it has already.

What it checks
    In every dtype, in training and in evaluation, at drop_prob 0, 0.3 and 1, the bytes of x are the same after the
    call as before, and its version counter has not moved. In the residual form the same holds for the shortcut.
Why it matters
    The branch's output is often held by somebody else: a skip connection, a hook, another head. An operation in place
    changes it under their hands, and autograd refuses the backward pass wherever the old values were needed.
How to fix
    Use the operations without the trailing underscore on x; only a mask that the layer created itself may be changed
    in place.
Seen in
    The drop_path function of DARTS and of the architecture searches derived from it, which divides and multiplies x in
    place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.frameworks.base import Target

BATCH = 32
DROP_PROBS = (0.0, 0.3, 1.0)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare bytes and version of every argument before and after each call."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    shape = (BATCH, *features(target, case.dtype, case.device, wide=True))
    calls, written = 0, []
    for drop_prob in DROP_PROBS:
        if drop_prob == 1.0 and case.dialect.keep_prob_zero == "raises":
            continue
        layer = target.make(drop_prob)
        for training in (True, False) if target.evaluates else (True,):
            x, shortcut = (
                framework.tensor(moderate(rng, shape, case.dtype), case.dtype, case.device) for _ in range(2)
            )
            arguments = {"x": x, "shortcut": shortcut} if case.dialect.form == "residual" else {"x": x}
            before = {name: (framework.bits(t).copy(), framework.version(t)) for name, t in arguments.items()}
            if case.dialect.form == "residual":
                layer.with_shortcut(x, shortcut, training=training)
            else:
                layer(x, training=training)
            calls += 1
            for name, tensor in arguments.items():
                bits, version = before[name]
                changed = not np.array_equal(framework.bits(tensor), bits)
                if changed or framework.version(tensor) != version:
                    written.append({"argument": name, "drop_prob": drop_prob, "training": training, "changed": changed})
    return {"calls": calls, "written": written, "features": list(shape[1:])}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single write."""
    written, calls = evidence["written"], evidence["calls"]
    if not written:
        return Verdict.passed(f"{calls} of {calls} calls leave their arguments alone")
    first = next((write for write in written if write["changed"]), written[0])
    mode = "training" if first["training"] else "evaluation"
    what = "has other values" if first["changed"] else "was written to with the values it had"
    return Verdict.failed(f"after a call in {mode} at drop_prob {first['drop_prob']:g}, {first['argument']} {what}")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that looks at an argument before and after a call."""
    assert case.dtype is not None  # noqa: S101
    first = next((write for write in evidence["written"] if write["changed"]), evidence["written"][0])
    name, p, training = first["argument"], first["drop_prob"], first["training"]
    name = name if code.takes_shortcut else "x"
    shape, version = (BATCH, *evidence["features"]), code.version.replace("{tensor}", name)
    return "\n".join([
        *code.setup(),
        *code.construct(p, training=training),
        *code.input(shape, case.dtype, case.device, random=True),
        f"before, version = {name}.clone(), {version}",
        code.output(p, training=training),
        f"print(({name} != before).sum(), 'elements changed, version', version, '->', {version})",
        f"assert ({name} == before).all() and {version} == version",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="the tensor must be looked at after the call; a recording cannot be driven",
    mutants=("writes_its_input", "clamps_its_input", "adds_to_its_shortcut"),
)
