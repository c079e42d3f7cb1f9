"""DP203 mean-preservation: the mean of the training output is x (keep_prob times x in the unscaled dialects).

What it checks
    The mean is not estimated from noisy outputs but computed from its two parts: the interval of the keep
    probability, and the factor of a kept value, which is observed exactly. A second test weighs decisions by |x| on
    random x, which sees masks that depend on x. Statistical half-width and rounding are stated apart.
Why it matters
    In training the layers behind a block must see what they will see in evaluation, on average. One combined
    tolerance would hide a scale that is wrong by half a percent behind the rounding of half precision.
How to fix
    Correct whichever part is wrong: the frequency (see DP102) or the factor (see DP201).
Seen in
    composer issue 372, where training and evaluation disagree; floor(keep_prob + rand) in bfloat16, whose mean
    output at drop_prob = 0.1 is 0.997 x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.code import rounding
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import certificate_design, certificate_for
from droppath_audit.probes.counting import Sampler
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import (
    NOT_INTERIOR,
    chunks,
    count,
    interior_cells,
    mask_lines,
    script,
    share_script,
)
from droppath_audit.probes.recorded_values import factors
from droppath_audit.probes.values import moderate
from droppath_audit.scripts.snippets import kept_factor, kept_share, several_values
from droppath_reference.law import kept_interval, multiplier, round_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import Recording
    from droppath_audit.frameworks.base import Target
    from droppath_audit.stats.certificate import Certificate

BATCH = 65_536


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the cells in which samples are both kept and dropped."""
    return grid.per_cell(device, effort, grid.INTERIOR)


def stopping(case: Case, alpha: float) -> Certificate:
    """Return the certificate of the frequency; the weighted test has the other half of the share."""
    return certificate_for(case, alpha / 2)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:
    """Draw a certificate, then weigh the decisions on random x by |x|."""
    assert stopping is not None  # noqa: S101 - the engine gives a sequential check its certificate
    evidence = Sampler(target, case).draw_until(stopping).to_evidence()
    return evidence | {"weighted": None if case.dialect.granularity == "batch" else _weigh(target, case, rng)}


def _weigh(target: Target, case: Case, rng: np.random.Generator) -> dict[str, float]:
    """Return the deviation of the weighted mean of the mask from keep_prob, with what its bound needs."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework = target.framework
    feature = features(target, case.dtype, case.device)
    batch = max(1, BATCH // max(1, int(np.prod(feature))))
    x = moderate(rng, (batch, *feature), case.dtype)
    y = framework.numpy(target.make(case.drop_prob)(framework.tensor(x, case.dtype, case.device), training=True))
    if case.dialect.granularity == "element":
        weights, mask = np.abs(x).reshape(-1), y.reshape(-1) != 0
    else:
        weights, mask = np.abs(x).reshape(batch, -1).mean(axis=1), y.reshape(batch, -1)[:, 0] != 0
    weights = weights / weights.sum()
    return {
        "deviation": float(weights[mask].sum() - (1.0 - case.drop_prob)),
        "sum_of_squared_weights": float(np.square(weights).sum()),
        "largest_weight": float(weights.max()),
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where the frequency, the factor or the weighted mean is proven wrong."""
    from droppath_audit.stats.mean import weighted_mean_test

    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    certificate, scaling = stopping(case, alpha), case.dialect.scaling
    factor = multiplier(case.drop_prob, scaling)
    promised = f"mean output {certificate.keep_prob * factor:.6g} of x"
    if evidence["other"]:
        return Verdict.failed("outputs for x = 1 are not of two values, so their mean is not x", promised=promised)
    kept, decisions = evidence["kept"], evidence["decisions"]
    # The certificate and the weighted test have half of alpha each, and so of the p-value.
    p_value = min(1.0, 2.0 * certificate.p_value(kept, decisions))
    low, high = certificate.interval(kept, decisions)
    frequency = kept / decisions if decisions else float("nan")
    values = evidence["kept_values"]
    # Rounded to x's dtype: a target that widens it breaks DP005, not this promise.
    rounded = [float(round_to(value, case.dtype)) for value in values]
    observed_factor = max(rounded, key=lambda value: abs(value - factor), default=factor)
    one_low, one_high = (float(end) for end in kept_interval(1.0, case.drop_prob, case.dtype, scaling=scaling))
    observed = (
        f"mean output {frequency * observed_factor:.6g} of x: "
        f"frequency {(frequency - certificate.keep_prob) * factor:+.2g} "
        f"(in [{(low - certificate.keep_prob) * factor:+.2g}, {(high - certificate.keep_prob) * factor:+.2g}]), "
        f"rounding of the factor {frequency * (observed_factor - factor):+.2g} (exact)"
    )
    if values and not one_low <= observed_factor <= one_high:  # with none kept there is no factor to look at
        return Verdict.failed(
            f"{observed}; the factor is {observed_factor:.6g}, where {one_low:.6g} to {one_high:.6g} is rounding",
            promised=promised,
        )
    outcome = certificate.outcome(kept, decisions)
    if outcome == "fail":
        return Verdict.failed(observed, promised=promised, p_value=p_value)
    weighted = evidence["weighted"]
    if weighted is not None:
        by_weight = 2.0 * weighted_mean_test(
            weighted["deviation"],
            weighted["sum_of_squared_weights"],
            weighted["largest_weight"],
            certificate.keep_prob,
        )
        p_value = min(p_value, by_weight)
        if by_weight <= alpha:
            return Verdict.failed(
                f"weighted by |x|, {certificate.keep_prob + weighted['deviation']:.6g} is kept on random x: "
                "the mask depends on x",
                promised=promised,
                p_value=by_weight,
            )
    if outcome == "open":
        return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)
    return Verdict.passed(observed, p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return what the certificate resolves, as a share of x."""
    assert case.drop_prob is not None  # noqa: S101
    frequency = certificate_design(case, alpha / 2)
    return Design(
        frequency.resolves * multiplier(case.drop_prob, case.dialect.scaling),
        "mean output, as a share of x",
        frequency.decisions,
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the part that is furthest off: factor, weighted mean or frequency."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    p, q, scaling = case.drop_prob, 1.0 - case.drop_prob, case.dialect.scaling
    factor = multiplier(p, scaling)
    setup = [*code.setup(), *code.construct(p)]
    ones = code.input((65536, 1), case.dtype, case.device)
    if evidence["other"]:
        return "\n".join([*setup, *ones, *several_values(p, 2 * evidence["decisions"], code)])
    low, high = kept_interval(1.0, p, case.dtype, scaling=scaling)
    if any(not low <= round_to(value, case.dtype) <= high for value in evidence["kept_values"]):
        return "\n".join([*setup, *ones, *kept_factor(p, factor, rounding(case.dtype), code)])
    weighted = evidence["weighted"]
    deviations = abs(evidence["kept"] - q * evidence["decisions"]) / (p * q * max(1, evidence["decisions"])) ** 0.5
    if (
        weighted is None
        or abs(weighted["deviation"]) < deviations * (p * q * weighted["sum_of_squared_weights"]) ** 0.5
    ):
        return "\n".join([*setup, *ones, *kept_share(p, 2 * evidence["decisions"], code)])
    return "\n".join([
        *setup,
        *code.input((65536, 1), case.dtype, case.device, random=True),
        f"kept = {code.output(p)} != 0",
        "weight = abs(x) / abs(x).sum()",
        f"print('kept, weighted by |x|:', weight[kept].sum(), 'promised:', {q!r})",
        f"assert abs(weight[kept].sum() - {q!r}) <= 8 * ((weight**2).sum() * {p * q:.3g}) ** 0.5",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count, look at the factors, and weigh the decisions by |x|."""
    kept, decisions = count(recording, case)
    extremes: list[float] = []
    total = squares = largest = weight_kept = 0.0
    for chunk in chunks(recording, case):
        found, seen = factors(chunk, case)
        if (found != 0.0).any():
            extremes += [float(found[found != 0.0].min()), float(found.max())]
        weights = chunk.grouped(np.where(chunk.readable, np.abs(chunk.x), 0.0), case.dialect.granularity).mean(axis=2)
        weights = np.where(seen, weights, 0.0)
        total, squares = total + float(weights.sum()), squares + float(np.square(weights).sum())
        largest = max(largest, float(weights.max()))
        weight_kept += float(weights[found != 0.0].sum())
    weighted = None
    if case.dialect.granularity != "batch" and np.isfinite(squares) and squares > 0.0:
        weighted = {
            "deviation": weight_kept / total - (1.0 - (case.drop_prob or 0.0)),
            "sum_of_squared_weights": squares / total**2,
            "largest_weight": largest / total,
        }
    values = sorted({min(extremes), max(extremes)}) if extremes else []
    return {"decisions": decisions, "kept": kept, "other": 0, "kept_values": values, "exhausted": False,
            "weighted": weighted}  # fmt: skip


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the mean of y over that of x, or for the frequency."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    low, high = kept_interval(1.0, case.drop_prob, case.dtype, scaling=case.dialect.scaling)
    p, q, weighted = case.drop_prob, 1.0 - case.drop_prob, evidence["weighted"]
    if all(low <= round_to(value, case.dtype) <= high for value in evidence["kept_values"]):
        deviations = abs(evidence["kept"] - q * evidence["decisions"]) / (p * q * evidence["decisions"]) ** 0.5
        spread = (p * q * weighted["sum_of_squared_weights"]) ** 0.5 if weighted else 0.0
        if weighted is None or abs(weighted["deviation"]) < deviations * spread:
            return share_script(case, code)
        each = [
            *mask_lines(case, weigh=True),
            "total, of_kept = total + weight.sum(), of_kept + (weight * kept).sum()",
        ]
        after = [
            f"print('kept, weighted by |x|:', of_kept / total, 'promised:', {q!r})",
            f"assert abs(of_kept / total - {q!r}) <= {6.0 * spread:.3g}  # six standard deviations",
        ]
        return script(case, code, each, after, before=["total = of_kept = 0"])
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    each = [
        "kept = (y != dropped) & np.isfinite(x)",
        "y_sum, x_sum = y_sum + abs(y - dropped)[kept].sum(), x_sum + abs(x * kept)[kept].sum()",
    ]
    after = [
        f"print('mean |y| of kept values over mean |x|:', y_sum / x_sum, 'promised:', {factor!r})",
        f"assert abs(y_sum / x_sum / {factor!r} - 1) <= {rounding(case.dtype)!r}",
    ]
    return script(case, code, each, after, before=["y_sum = x_sum = 0"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "never_scaled", "off_by_half_a_percent", "drops_large_samples"),
    design=design,
    stopping=stopping,
    recorded=Recorded(
        interior_cells,
        collect_recorded,
        show_recorded,
        NOT_INTERIOR,
    ),
)
