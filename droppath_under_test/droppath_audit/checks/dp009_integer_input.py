"""DP009 integer-input: integers and truth values are refused clearly, or come back as zero and x/keep_prob.

What it checks
    int64, int32, uint8 and bool tensors of threes (of True) pass through a training call at drop_prob 0.3. The call
    raises TypeError, ValueError or RuntimeError with a message, or every output is 0 or what a kept 3 is, to one
    percent. Integers that come back truncated are neither.
Why it matters
    Masks, token numbers and quantised activations are integers. A layer that scales 3 to 4.28 and returns 4 changes the
    mean that DropPath exists to preserve.
How to fix
    Raise TypeError for a dtype that cannot hold x/keep_prob, as the reference does, or return a floating dtype.
Seen in
    Nothing that is known by name; in-place division raises in torch, and converting back to x's dtype truncates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

BATCH = 64
DROP_PROB = 0.3
DTYPES = ("int64", "int32", "uint8", "bool")
CLEAR = ("TypeError", "ValueError", "RuntimeError")


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case, which walks over the dtypes."""
    yield Case(device, effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Call the target with each dtype and note what comes back."""
    framework = target.framework
    shape = (BATCH, *features(target, "float32", case.device))
    outcomes = {}
    for dtype in DTYPES:
        x = framework.tensor(np.full(shape, 3.0), dtype, case.device)
        kept = multiplier(DROP_PROB, case.dialect.scaling) * (1.0 if dtype == "bool" else 3.0)
        try:
            y = target.make(DROP_PROB)(x, training=True)
            values = framework.numpy(y)
            wrong = values[(values != 0) & (abs(values - kept) > 0.01 * kept)]
            found = framework.info(y).dtype
            outcomes[dtype] = ["", found, repr(float(wrong[0])) if wrong.size else "", repr(kept)]
        except TargetRaised as error:
            outcomes[dtype] = [error.kind, error.text, "", repr(kept)]
    return {"outcomes": outcomes, "features": list(shape[1:])}


def _wrong(outcome: list[str]) -> bool:
    kind, text, value, _ = outcome
    return bool(value) or (bool(kind) and (kind not in CLEAR or not text))


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Say for each dtype what happens; fail on a wrong value or an unclear exception."""
    words = []
    for dtype, (kind, text, value, kept) in evidence["outcomes"].items():
        if kind:
            words.append(f"{dtype}: {kind}" + (f" ({text})" if kind not in CLEAR else ""))
        else:
            words.append(f"{dtype}: {value} where {float(kept):.4g} was due" if value else f"{dtype}: becomes {text}")
    observed = "; ".join(words)
    if any(_wrong(outcome) for outcome in evidence["outcomes"].values()):
        return Verdict.failed(observed)
    return Verdict.passed(observed)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the first dtype with a wrong value or an unclear exception."""
    dtype, outcome = next((dtype, outcome) for dtype, outcome in evidence["outcomes"].items() if _wrong(outcome))
    kept = float(outcome[3])
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB),
        *code.input((BATCH, *evidence["features"]), dtype, case.device),
        *([] if dtype == "bool" else ["x = 3 * x"]),
        "try:",
        f"    y = {code.output(DROP_PROB)}",
        "    print(y.unique())",
        f"    assert ((y == 0) | (abs(y - {kept!r}) <= {0.01 * kept!r})).all()",
        "except AssertionError:",
        "    raise",
        "except Exception as error:",
        "    print(repr(error))",
        f"    assert type(error).__name__ in {CLEAR!r} and str(error)",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.INFO,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called on integers, which a recording does not hold; a recording cannot be driven",
    mutants=("truncates_integers",),
)
