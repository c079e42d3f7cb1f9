"""DP001 eval-identity: in evaluation the output is x, bit for bit; for scaling=eval it is keep_prob times x.

What it checks
    In evaluation mode, for every dtype and drop_prob, the bytes of the output are the bytes of x: signed zeros,
    subnormals, infinities and NaN included. For scaling=eval every output lies in the hull of the roundings of
    keep_prob times x. A residual form returns shortcut plus that.
Why it matters
    A layer that still drops, scales or rounds in evaluation makes predictions random or shifts them, and no loss
    curve shows it.
How to fix
    Return x itself when the layer is not training or drop_prob is 0; make sure that the flag that is looked at is the
    module's own training flag.
Seen in
    Swin Transformer ports whose DropPath stays active in evaluation; tensornets issue 66.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import per_cell, script
from droppath_audit.probes.recorded_values import compare_with_x
from droppath_audit.probes.values import moderate, special
from droppath_reference.law import evaluation_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

BATCH = 64
REPEATS = 4


def applicable(facts: Facts, case: Case) -> str:
    """A target without an evaluation mode promises nothing about it, one that refuses a drop_prob nothing there."""
    if facts.dialect.keep_prob_zero == "raises" and case.drop_prob == 1.0:
        return "the target declares that it refuses keep_prob = 0"
    return "" if facts.evaluates else "the target has no evaluation mode (training=always)"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare evaluation outputs with x, after a training call has gone before."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, scaling = target.framework, case.dialect.scaling
    layer = target.make(case.drop_prob)
    shape = (BATCH, *features(target, case.dtype, case.device, wide=True))
    differing, elements, example = 0, 0, None
    scaled = scaling == "eval"
    for repeat in range(REPEATS):
        x = (moderate if scaled or repeat == 0 else special)(rng, shape, case.dtype)
        tensor = framework.tensor(x, case.dtype, case.device)
        if case.drop_prob < 1.0:
            layer(tensor, training=True)
        y = layer(tensor, training=False)
        got, info = framework.numpy(y), framework.info(y)
        if info != framework.info(tensor):
            return {"differing": x.size, "elements": x.size, "example": None, "became": str(info)}
        if scaled:
            low, high = evaluation_interval(x, case.drop_prob, case.dtype, scaling=scaling)
            wrong = ~((low <= got) & (got <= high))
        elif case.dialect.form == "residual":
            wrong = ~((got == x) | (np.isnan(got) & np.isnan(x)))  # 0 + x turns -0 into +0
        else:
            wrong = np.any(
                framework.bits(y).reshape(x.size, -1) != framework.bits(tensor).reshape(x.size, -1), axis=1
            ).reshape(shape)
        if case.dialect.form == "residual" and not wrong.any():
            shortcut = moderate(rng, shape, case.dtype)
            other = framework.tensor(shortcut, case.dtype, case.device)
            total = framework.numpy(layer.with_shortcut(tensor, other, training=False))
            expected = framework.numpy(other + y)
            wrong = ~((total == expected) | (np.isnan(total) & np.isnan(expected)))
            got, x = total, shortcut
        differing, elements = differing + int(np.count_nonzero(wrong)), elements + x.size
        if example is None and wrong.any():
            example = [float(x[wrong][0]), float(got[wrong][0])]
    return {"differing": differing, "elements": elements, "example": example}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single differing element."""
    if not evidence["differing"]:
        return Verdict.passed(f"{evidence['elements']} of {evidence['elements']} elements as promised")
    promised = "keep_prob times x" if case.dialect.scaling == "eval" else "y is x, bit for bit"
    if "became" in evidence:
        return Verdict.failed(f"the output is {evidence['became']}", promised=promised)
    observed = f"{evidence['differing']} of {evidence['elements']} elements differ"
    hint = ""
    if evidence["example"] is not None:
        x, y = evidence["example"]
        observed += f", for example {x:.6g} became {y:.6g}"
        assert case.drop_prob is not None  # noqa: S101
        keep_prob = 1.0 - case.drop_prob
        if case.dialect.scaling != "eval" and x and 0 < keep_prob < 1 and abs(y / x - keep_prob) < 0.005 * keep_prob:
            hint = "this is what scaling=eval does; if the layer means that, add scaling=eval to the SPEC"
    return Verdict.failed(observed, promised=promised, hint=hint)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares an evaluation output with x, or with the value that no random x has."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    x, y = evidence["example"] or (1.0, 1.5)
    literal = [
        "from math import inf, nan",
        *code.setup(),
        *code.construct(case.drop_prob, training=False),
        *code.literal([x] * 12, (4, 3), case.dtype, case.device, "contiguous"),
        f"y = {code.output(case.drop_prob, training=False)}",
        "print(x, y, sep='\\n')",
    ]
    if case.dialect.scaling == "eval":
        low, high = evaluation_interval(np.array(x), case.drop_prob, case.dtype, scaling="eval")
        return "\n".join([*literal, f"assert (({float(low)!r} <= y) & (y <= {float(high)!r})).all()"])
    if not np.isfinite(x) or x == y:
        return "\n".join([*literal, "assert str(y.tolist()) == str(x.tolist())"])
    lines = code.run(case.drop_prob, (64, 12), case.dtype, case.device, training=False, random=True)
    return "\n".join([*lines, "print((y != x).sum(), 'elements differ')", "assert (y == x).all()"])


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each cell of evaluation calls."""
    return per_cell([block for block in blocks if not block.training], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Compare recorded evaluation outputs with x."""
    return compare_with_x(recording, case, training=False)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that compares recorded outputs with x."""
    assert case.drop_prob is not None  # noqa: S101
    factor = f"{1.0 - case.drop_prob!r} * " if case.dialect.scaling == "eval" else ""
    each = [
        f"wrong = ~np.isclose(y, dropped + {factor}x, rtol={0.01 if factor else 0}, atol=0, equal_nan=True)",
        "print(wrong.sum(), 'of', wrong.size, 'elements differ')",
        "assert not wrong.any()",
    ]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_cell,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "active_in_evaluation",
        "scaled_in_evaluation",
        "NeverScales",
        "ScalesSquaredInEvaluation",
        "ScalesInTrainingOnly",
        "MultipliesInTraining",
    ),
    applicable=applicable,
    recorded=Recorded(recorded_cases, collect_recorded, show_recorded, "the recording has no calls in evaluation"),
)
