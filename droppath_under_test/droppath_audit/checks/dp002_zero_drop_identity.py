"""DP002 zero-drop-identity: with drop_prob = 0 in training the output is x, bit for bit, in every dtype.

What it checks
    A million samples pass through the layer at drop_prob = 0 in training mode; the bytes of every output are those
    of x. Many samples, because the faults are rare: a rule r <= drop_prob drops at r = 0, and floor(1 + r) doubles
    a sample where r rounds up to 1.
Why it matters
    Blocks whose rate is 0 stand at the start of every linear schedule; a few wrong samples in thousands there are
    noise that nobody asked for, and in half precision it is one sample in 256.
How to fix
    Return x when drop_prob is 0, before any random number is drawn.
Seen in
    EfficientNet-PyTorch's drop_connect, which doubles one row in 256 in bfloat16 at drop_prob = 0; boltz issue 553.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import per_dtype, script
from droppath_audit.probes.recorded_values import compare_with_x
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

BATCH = 65_536


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare outputs with x, byte by byte."""
    assert case.dtype is not None  # noqa: S101
    framework, layer = target.framework, target.make(0.0)
    feature = features(target, case.dtype, case.device)
    batch = max(1, BATCH // max(1, int(np.prod(feature))))
    if case.dialect.granularity == "batch":
        batch = 1  # a batch is one decision, so small ones see most
    calls = case.effort.pick(4, 16, 64) * (64 if batch == 1 else 1)
    differing, example = 0, None
    x = moderate(rng, (batch, *feature), case.dtype)
    tensor = framework.tensor(x, case.dtype, case.device)
    expected = framework.bits(tensor).copy()
    for _ in range(calls):
        y = layer(tensor, training=True)
        if framework.info(y) != framework.info(tensor):
            return {
                "differing": x.size,
                "elements": x.size,
                "example": None,
                "became": str(framework.info(y)),
            }
        got = framework.bits(y)
        if not np.array_equal(got, expected):
            wrong = np.any((got != expected).reshape(x.size, -1), axis=1).reshape(x.shape)
            differing += int(np.count_nonzero(wrong))
            if example is None:
                example = [float(x[wrong][0]), float(framework.numpy(y)[wrong][0])]
    return {"differing": differing, "elements": calls * x.size, "example": example}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single differing element."""
    if not evidence["differing"]:
        return Verdict.passed(f"{evidence['elements']} of {evidence['elements']} elements unchanged")
    if "became" in evidence:
        return Verdict.failed(f"the output is {evidence['became']}", promised="y is x, bit for bit")
    observed = f"{evidence['differing']} of {evidence['elements']} elements differ"
    x, y = evidence["example"]
    return Verdict.failed(f"{observed}, for example {x:.6g} became {y:.6g}", promised="y is x, bit for bit")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that looks at as many samples as the trial did."""
    assert case.dtype is not None  # noqa: S101
    lines = code.run(0.0, (2**20, 1), case.dtype, case.device)
    return "\n".join([*lines, "print((y != x).sum(), 'of', 2**20, 'samples differ')", "assert (y == x).all()"])


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype that was recorded at drop_prob = 0."""
    return per_dtype([block for block in blocks if block.training and block.drop_prob == 0.0], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Compare recorded outputs with x, byte by byte."""
    return compare_with_x(recording, case, training=True)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that compares recorded outputs with x."""
    each = [
        "wrong = ~np.isclose(y, dropped + x, rtol=0, atol=0, equal_nan=True)",
        "print(wrong.sum(), 'of', wrong.size, 'elements differ')",
        "assert not wrong.any()",
    ]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_without_shortcut", "drops_at_zero_uniform"),
    recorded=Recorded(
        recorded_cases, collect_recorded, show_recorded, "the recording has no calls in training at drop_prob = 0"
    ),
)
