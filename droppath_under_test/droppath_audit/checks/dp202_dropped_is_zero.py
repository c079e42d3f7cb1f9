"""DP202 dropped-is-zero: dropped samples are exactly zero for finite x, and some samples are dropped.

What it checks
    No output is a small remainder of x (neither zero nor at least half of x), and among many samples there are
    zeros at all, by the exact probability of seeing none. With a shortcut, a dropped sample is exactly the shortcut.
Why it matters
    A branch that leaks a thousandth of its value is never off: its normalisation layers and its gradients go on as
    if it were there. A mask that is added instead of floored never drops anything and still looks random.
How to fix
    Use a mask of exact zeros and ones: compare the uniform number with keep_prob, or floor the sum.
Seen in
    keras-hub's DINOV2DropPath, which never floors its mask; the layer of several PaddlePaddle tutorials.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import NOT_INTERIOR, interior_cells, script
from droppath_audit.probes.recorded_values import observe as observe_recorded
from droppath_audit.probes.values import moderate, observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

BATCH = 16_384


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the cells in which samples are both kept and dropped."""
    return grid.per_cell(device, effort, grid.INTERIOR)


def _sizes(case: Case) -> tuple[int, int]:
    """Return calls and batch; where a batch is one decision, calls enough to see p (or 0.02, if p is less) missing."""
    if case.dialect.granularity == "batch":
        assert case.drop_prob is not None  # noqa: S101
        # (1 - p)^(24/p) < e^-24, which is less than a share of the default budget.
        return max(64, math.ceil(24.0 / max(case.drop_prob, 0.02))), 1
    return case.effort.pick(2, 8, 32), BATCH


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Sort outputs by what became of x; in residual forms, compare dropped samples with the shortcut."""
    calls, batch = _sizes(case)
    evidence = observe(target, case, rng, calls=calls, batch=batch)
    if case.dialect.form == "residual":
        evidence["shortcut_changed"] = _shortcut_changed(target, case, rng)
    return evidence


def _shortcut_changed(target: Target, case: Case, rng: np.random.Generator) -> int:
    """Return how many elements of a training output are neither the shortcut nor shortcut plus something kept."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, layer = target.framework, target.make(case.drop_prob)
    shape = (256, *features(target, case.dtype, case.device))
    x = framework.ones(shape, case.dtype, case.device)
    values = moderate(rng, shape, case.dtype)
    shortcut = framework.tensor(values, case.dtype, case.device)
    changed = 0
    for _ in range(16 if case.dialect.granularity != "batch" else 256):
        total = framework.numpy(layer.with_shortcut(x, shortcut, training=True))
        changed += int(np.count_nonzero((total != values) & (total < values + 0.5)))
    return changed


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail on a single remainder, on a changed shortcut, or where nothing is ever zero."""
    assert case.drop_prob is not None  # noqa: S101
    decisions, zero = evidence["decisions"], evidence["zero"]
    if evidence.get("shortcut_changed"):
        return Verdict.failed(
            f"{evidence['shortcut_changed']} elements of the shortcut are changed in dropped samples",
            promised="a dropped sample is its shortcut",
        )
    if evidence["leaked"]:
        x, y = evidence["examples"]["leaked"][0]
        return Verdict.failed(
            f"{evidence['leaked']} of {decisions} outputs are neither zero nor kept; x = {x:.6g} became {y:.6g}",
            promised="dropped values are exactly zero",
        )
    p_value = float((1.0 - case.drop_prob) ** decisions) if not zero else 1.0
    if p_value <= alpha:
        return Verdict.failed(
            f"none of {decisions} outputs is zero, where {decisions * case.drop_prob:.0f} were to be expected",
            promised="dropped values are exactly zero",
            p_value=p_value,
        )
    return Verdict.passed(f"{zero} of {decisions} outputs are zero, none is a remainder", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the smallest drop frequency whose total absence would be seen."""
    calls, batch = _sizes(case)
    return Design(1.0 - alpha ** (1.0 / (calls * batch)), "drop probability whose absence is seen", calls * batch)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that looks for zeros and for remainders."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    lines = code.run(case.drop_prob, (65536, 1), case.dtype, case.device)
    return "\n".join([
        *lines,
        "print('smallest and largest output for x = 1:', y.min(), y.max())",
        "assert (y == 0).any() and not ((y != 0) & (abs(y) < 0.5)).any()",
    ])  # fmt: skip


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the smallest drop frequency whose total absence is seen."""
    return Design(1.0 - alpha ** (1.0 / case.decisions), "drop probability whose absence is seen", case.decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that looks for zeros and for remainders in what was recorded."""
    each = [
        "x = np.broadcast_to(x, y.shape)",
        "zeros = zeros or bool((y == dropped)[x != 0].any())",
        "leaks += int(((y != dropped) & (abs(y - dropped) < abs(x) / 2)).sum())",
    ]
    after = ["print('any dropped:', zeros, ' remainders of x:', leaks)", "assert zeros and not leaks"]
    return script(case, code, each, after, before=["zeros, leaks = False, 0"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("leaks_a_thousandth", "never_floored"),
    design=design,
    recorded=Recorded(
        interior_cells,
        observe_recorded,
        show_recorded,
        NOT_INTERIOR,
        recorded_design,
    ),
)
