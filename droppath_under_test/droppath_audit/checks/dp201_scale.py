"""DP201 scale: every kept value, not the average, is x divided by keep_prob (or x itself, where that is declared).

What it checks
    Each kept value lies in the hull of the legitimate ways to round x/keep_prob in its dtype: division, or
    multiplication by a rounded reciprocal, with keep_prob rounded to float32 or to the dtype. x covers every
    significand of the 16-bit types.
Why it matters
    Without the factor, or with a wrong one, the layer's output in training has another mean than in evaluation, and
    every layer behind it is trained on values that it will never see in use.
How to fix
    Divide kept samples by keep_prob = 1 - drop_prob, not by drop_prob, by the realised share of kept samples, or by
    a keep_prob that was rounded more than once.
Seen in
    felixgwu's stochastic depth, issue 3 (missing); floor(keep_prob + rand), whose mask is 2 for some samples in
    bfloat16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.code import rounding
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.recorded import NOT_INTERIOR, interior_cells, script
from droppath_audit.probes.recorded_values import observe as observe_recorded
from droppath_audit.probes.values import observe
from droppath_audit.scripts.snippets import kept_factor
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

BATCH = 16_384


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the cells in which samples are both kept and dropped."""
    return grid.per_cell(device, effort, grid.INTERIOR)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Sort outputs by what became of x."""
    if case.dialect.granularity == "batch":
        return observe(target, case, rng, calls=case.effort.pick(64, 256, 1024), batch=64)
    return observe(target, case, rng, calls=case.effort.pick(2, 8, 32), batch=BATCH)


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single kept value outside the hull."""
    assert case.drop_prob is not None  # noqa: S101
    factor = 1.0 / (1.0 - case.drop_prob) if case.dialect.scaling == "inverted" else 1.0
    kept = evidence["kept"] + evidence["misscaled"]
    if not evidence["misscaled"]:
        scale = f", scale {evidence['ratios'][0]:.6g} to {evidence['ratios'][1]:.6g}" if evidence["ratios"] else ""
        return Verdict.passed(f"{kept} of {kept} kept values as promised{scale}")
    x, y = evidence["examples"]["misscaled"][0]
    observed = (
        f"{evidence['misscaled']} of {kept} kept values are off; x = {x:.6g} became {y:.6g}, a factor of {y / x:.6g}"
    )
    low, high = evidence["ratios"]
    near = 0.01 * abs(factor - 1.0)
    hint = ""
    if case.dialect.scaling == "inverted" and abs(low - 1.0) < near and abs(high - 1.0) < near:
        hint = "kept values are not scaled at all; if that is meant, add scaling=none to the SPEC"
    return Verdict.failed(observed, promised=f"x times {factor:.6g}, up to rounding", hint=hint)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that shows the factors by which ones were multiplied."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    return "\n".join([
        *code.setup(),
        *code.construct(case.drop_prob),
        *code.input((65536, 1), case.dtype, case.device),
        *kept_factor(case.drop_prob, multiplier(case.drop_prob, case.dialect.scaling), rounding(case.dtype), code),
    ])  # fmt: skip


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that shows by how much recorded x were multiplied."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    smallest = "1e-30 + abs(dropped)" if case.dialect.form == "residual" else "1e-30"
    each = [
        "x = np.broadcast_to(x, y.shape)",
        f"where = (y != dropped) & np.isfinite(x) & (abs(x) > {smallest})",
        "ratios = (y - dropped)[where] / x[where]",
        f"print('y/x of kept values:', ratios.min(), 'to', ratios.max(), 'promised:', {factor!r})",
        f"assert (abs(ratios / {factor!r} - 1) <= {rounding(case.dtype)!r}).all()",
    ]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "never_scaled",
        "off_by_half_a_percent",
        "scaled_by_realised_share",
        "sometimes_doubled",
        "ScalesTwice",
        "ScalesInTrainingOnly",
        "MultipliesInTraining",
    ),
    recorded=Recorded(
        interior_cells,
        observe_recorded,
        show_recorded,
        NOT_INTERIOR,
    ),
)
