"""DP204 variance: the variance of the output is x² drop_prob/keep_prob (x² drop_prob keep_prob where unscaled).

What it checks
    The second moment of the outputs for x = 1, divided by the square of the promised kept value, is the number kept
    and so binomial; an exact test judges it, with the rounding of the kept value taken into account.
Why it matters
    The mean can be right by accident: two wrong scales that cancel, or a scale that is itself random, leave it alone
    and change how much noise the network is trained with.
How to fix
    Multiply every kept value by the same factor, 1/keep_prob.
Seen in
    Soft masks and randomised scales in re-implementations; the realised share as divisor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.inputs import features
from droppath_audit.sampling.recorded import NOT_INTERIOR, SHAPE, chunks, interior_cells, resolved, script
from droppath_audit.sampling.recorded_values import factors
from droppath_reference.law import kept_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target

BATCH = 16_384
SPREAD = 1e-9  # of sums of squares in float64


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield cells in which both fates are frequent."""
    return grid.per_cell(device, effort, (0.1, 0.3, 0.5, 0.9))


def _sizes(case: Case) -> tuple[int, int]:
    if case.dialect.granularity == "batch":
        return case.effort.pick(1024, 2048, 8192), 1
    return case.effort.pick(2, 6, 32), BATCH


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Add up outputs and their squares for x = 1, one element a decision."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, layer = target.framework, target.make(case.drop_prob)
    calls, batch = _sizes(case)
    shape = (batch, *features(target, case.dtype, case.device))
    total = squares = 0.0
    for _ in range(calls):
        output = framework.numpy(layer(framework.ones(shape, case.dtype, case.device), training=True))
        y = output.reshape(batch, -1)[:, 0]
        total, squares = total + float(y.sum()), squares + float((y * y).sum())
    return {"decisions": calls * batch, "sum": total, "sum_of_squares": squares}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where the second moment is no possible number of kept values."""
    from droppath_audit.stats.exact import binomial_test

    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    q, n = 1.0 - case.drop_prob, evidence["decisions"]
    low, high = (float(end) for end in kept_interval(1.0, case.drop_prob, case.dtype, scaling=case.dialect.scaling))
    mean = evidence["sum"] / n
    factor = (1.0 / q if case.dialect.scaling == "inverted" else 1.0) ** 2
    promised = factor * q * case.drop_prob
    observed = f"variance {evidence['sum_of_squares'] / n - mean**2:.6g} of x² in {n} decisions"
    fewest = evidence["sum_of_squares"] / high**2 * (1.0 - SPREAD)
    most = evidence["sum_of_squares"] / low**2 * (1.0 + SPREAD)
    kept = min(max(n * q, fewest), most)  # the number nearest to the promise that the rounding of the factor admits
    p_value = binomial_test(round(kept), n, q) if 0.0 <= kept <= n else 0.0
    if p_value <= alpha:
        return Verdict.failed(observed, promised=f"variance {promised:.6g} of x²", p_value=p_value)
    return Verdict.passed(observed, p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the relative error of the second moment that is seen with certainty 1 - β."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_binomial

    assert case.drop_prob is not None  # noqa: S101
    calls, batch = _sizes(case)
    resolves = detectable_binomial(calls * batch, 1.0 - case.drop_prob, alpha, BETA)
    return Design(resolves / (1.0 - case.drop_prob), "second moment, relative", calls * batch)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that computes the variance of outputs for x = 1."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    q = 1.0 - case.drop_prob
    factor = 1.0 / q if case.dialect.scaling == "inverted" else 1.0
    moment = round(q * factor**2, 12)
    calls = max(1, evidence["decisions"] // BATCH)
    width = 7.0 * factor**2 * (q * (1.0 - q) / (calls * BATCH)) ** 0.5 + 0.02 * moment * (case.dtype == "bfloat16")
    lines = [
        *code.setup(),
        *code.construct(case.drop_prob),
        *code.input((BATCH, 1), case.dtype, case.device),
    ]
    return "\n".join([
        *lines,
        f"squares = sum(float(({code.output(case.drop_prob)}.double() ** 2).mean()) for _ in range({calls})) / {calls}",
        f"print('mean square for x = 1:', squares, 'promised:', {moment!r})",
        f"assert abs(squares - {moment!r}) <= {width:.2g}  # seven standard deviations, and rounding",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Add up what the decisions multiplied x by, and its squares."""
    decisions, total, squares = 0, 0.0, 0.0
    for chunk in chunks(recording, case):
        found, seen = factors(chunk, case)
        decisions += int(np.count_nonzero(seen))
        total, squares = total + float(found.sum()), squares + float(np.square(found).sum())
    return {"decisions": decisions, "sum": total, "sum_of_squares": squares}


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the relative error of the second moment that is seen with certainty 1 - β."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_binomial

    q = 1.0 - (case.drop_prob or 0.0)
    return Design(resolved(detectable_binomial(case.decisions, q, alpha, BETA)) / q, "second moment, relative",
                  case.decisions)  # fmt: skip


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that computes the mean square of y/x."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    q = 1.0 - case.drop_prob
    factor = 1.0 / q if case.dialect.scaling == "inverted" else 1.0
    moment = round(q * factor**2, 12)
    rounding = 0.008 * moment * (case.dtype == "bfloat16")  # two roundings of the factor, squared
    width = 6.0 * factor**2 * (q * (1.0 - q) / evidence["decisions"]) ** 0.5 + rounding
    each = [
        "with np.errstate(all='ignore'):",
        f"    ratio = ((y - dropped) / x).reshape({SHAPE[case.dialect.granularity]})[..., 0]",
        "ratios += ratio[np.isfinite(ratio)].tolist()",
    ]
    after = [
        "moment = np.mean(np.square(ratios))",
        f"print('mean square of y/x:', moment, 'promised:', {moment!r})",
        f"assert abs(moment - {moment!r}) <= {width:.2g}  # six standard deviations, and rounding",
    ]
    return script(case, code, each, after, before=["ratios = []"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("random_scale", "never_scaled"),
    design=design,
    recorded=Recorded(
        interior_cells,
        collect_recorded,
        show_recorded,
        NOT_INTERIOR,
        recorded_design,
    ),
)
