"""DP301 keep-prob-zero: with keep_prob = 0, training output is all zeros, finite, of x's shape and dtype.

What it checks
    At drop_prob = 1, in every dtype and on every device, batches of 1, 2 and 16 samples of random x come back as
    zeros of the same shape and dtype.
Why it matters
    x/0 times 0 is NaN: one block with drop_prob = 1 turns the whole network's output, and then all its weights,
    into NaN. Schedules and searches reach 1 sooner than one thinks.
How to fix
    Skip the division when keep_prob is 0, or select with where instead of multiplying.
Seen in
    transformers (44 identical classes), mmcv, EfficientNet-PyTorch, Paddle's layers: x.div(0) times a mask of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.inputs import features
from droppath_audit.sampling.values import moderate

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.target import Target

BATCHES = (1, 2, 16)
PROMISED = "all zeros"


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A target that declares to refuse keep_prob = 0 is held to that by DP306."""
    refuses = facts.dialect.keep_prob_zero == "raises"
    return "the target declares that it refuses keep_prob = 0 (see DP306)" if refuses else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Look at every element of a few small batches."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    feature = features(target, case.dtype, case.device, wide=True)
    layer = target.make(1.0)
    elements = nan = nonzero = 0
    became = []
    for batch in BATCHES:
        tensor = framework.tensor(moderate(rng, (batch, *feature), case.dtype), case.dtype, case.device)
        y = layer(tensor, training=True)
        if framework.info(y) != framework.info(tensor):
            became.append(f"{framework.info(tensor)} became {framework.info(y)}")
        values = framework.numpy(y)
        elements += values.size
        nan += int(np.count_nonzero(np.isnan(values)))
        nonzero += int(np.count_nonzero(values != 0)) - int(np.count_nonzero(np.isnan(values)))
    return {"elements": elements, "nan": nan, "nonzero": nonzero, "became": became, "features": list(feature)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single element that is not zero."""
    elements, nan, nonzero = evidence["elements"], evidence["nan"], evidence["nonzero"]
    observed = []
    if nan:
        observed.append(f"NaN in {nan} of {elements} values")
    if nonzero:
        observed.append(f"{nonzero} of {elements} values are not zero")
    observed += evidence["became"]
    if observed:
        return Verdict.failed(", ".join(observed), promised=PROMISED)
    return Verdict.passed(f"{elements} of {elements} values are zero")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that prints the output at drop_prob = 1."""
    assert case.dtype is not None  # noqa: S101
    lines = code.run(1.0, (256, *evidence["features"]), case.dtype, case.device)
    return "\n".join([*lines, "print(y)", "assert (y == 0).all() and y.shape == x.shape and y.dtype == x.dtype"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "identity_at_keep_prob_zero", "clamps_keep_prob"),
    applicable=applicable,
)
