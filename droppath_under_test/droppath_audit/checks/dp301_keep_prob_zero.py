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
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import chunks, dtype_script, per_dtype, script
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

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


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype that was recorded at drop_prob = 1."""
    return per_dtype([block for block in blocks if block.training and block.drop_prob == 1.0], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Look at every recorded element; with a shortcut, at what was added to it."""
    elements = nan = nonzero = 0
    for chunk in chunks(recording, case):
        where = np.isfinite(chunk.x)
        elements += int(np.count_nonzero(where))
        nan += int(np.count_nonzero(np.isnan(chunk.y) & ~np.isnan(chunk.base) & where))
        nonzero += int(np.count_nonzero((chunk.y != chunk.base) & ~np.isnan(chunk.y) & where))
    became = sorted({f"{b.dtype} became {b.output_dtype}" for b in case.blocks if b.output_dtype != b.dtype})
    return {"elements": elements, "nan": nan, "nonzero": nonzero, "became": became, "features": []}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that prints recorded outputs at drop_prob = 1, or names their dtypes."""
    if not evidence["nan"] and not evidence["nonzero"]:
        return dtype_script(case)
    return script(case, code, ["print(y)", "assert (y == dropped)[np.broadcast_to(np.isfinite(x), y.shape)].all()"], ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "identity_at_keep_prob_zero", "clamps_keep_prob"),
    applicable=applicable,
    recorded=Recorded(
        recorded_cases, collect_recorded, show_recorded, "the recording has no calls in training at drop_prob = 1"
    ),
)
