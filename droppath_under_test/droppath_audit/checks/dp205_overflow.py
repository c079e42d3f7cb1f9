"""DP205 overflow: a kept sample is finite where x/keep_prob is a number; a dropped one is zero even where it is none.

What it checks
    Three kinds of x. Those up to 0.97 of the largest number for which x/keep_prob can be represented: no output may
    be infinite or NaN. Those for which x/keep_prob overflows: a kept sample is legitimately infinite, but none may be
    NaN, which is what infinity times a mask of zero gives. And in float16 a keep_prob of 2^-17, whose inverse is not a
    number of float16 while x/keep_prob is: no output may be infinite or NaN. Without scaling, x itself takes the
    place of x/keep_prob. In residual forms the shortcut is all ones.
Why it matters
    Half-precision activations do reach the largest number, 65504 in float16. Loss scaling skips a step that overflows;
    a NaN from a sample that was meant to be dropped is not what it expects, and one of these a step stops training.
How to fix
    Select before scaling (where(mask, x, 0) / keep_prob), and divide by keep_prob rather than multiply by anything
    larger than x first, or by 1/keep_prob in the dtype of x.
Seen in
    x.div(keep_prob) * mask, as in transformers, mmcv and Paddle: NaN in float16 for |x| above 65504 keep_prob.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.extremes import added, of_shape
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import NOT_INTERIOR, chunks, interior, per_cell, script
from droppath_reference.law import FORMATS, multiplier, round_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

DROP_PROBS = (0.1, 0.9)
RARE = 1.0 - 2.0**-17  # the inverse of its keep_prob, 131072, is no number of float16
BATCH, SEVERAL = 256, 4  # SEVERAL samples where all of a batch share a decision
FITS = 0.97  # of the largest: what three roundings of a bfloat16 number cannot push over the edge
CALLS_PER_DECISION = 128  # where a call is one decision: 0.9^128 = 1e-6 of never seeing one of the fates
RARE_BATCH = 2**16
PROMISED = {
    "fits": "finite where x/keep_prob is",
    "overflows": "0 where dropped, infinite where kept",
    "factor": "finite where x/keep_prob is, though 1/keep_prob is not",
}


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype and drop_prob, and float16 with the rare one."""
    yield from grid.per_cell(device, effort, DROP_PROBS)
    yield Case(device, "float16", RARE, effort=effort)


def applicable(facts: Facts, case: Case) -> str:
    """The rare keep_prob needs a factor to overflow, and more decisions than one a call affords."""
    if case.drop_prob != RARE:
        return ""
    if facts.dialect.scaling != "inverted":
        return "without a division by keep_prob there is no 1/keep_prob"
    return "one decision a call meets too few kept ones" if facts.dialect.granularity == "batch" else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Sort the outputs of each situation by what they are."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    feature = features(target, case.dtype, case.device)
    layer = target.make(case.drop_prob)
    largest, factor = FORMATS[case.dtype].largest, multiplier(case.drop_prob, case.dialect.scaling)
    batch, calls = (BATCH, case.effort.pick(2, 4, 16))
    if case.dialect.granularity == "batch":
        batch, calls = SEVERAL, CALLS_PER_DECISION
    if case.drop_prob == RARE:
        batch, calls = RARE_BATCH, case.effort.pick(32, 32, 128)
        ranges = {"factor": (0.0625, 0.25)}
    else:
        ranges = {"fits": (0.5 * FITS * largest / factor, FITS * largest / factor)}
        # Below a factor of 1.05 there is no room between what overflows and the largest number.
        ranges |= {"overflows": (1.05 / factor * largest, largest)} if factor > 1.05 else {}
    situations = []
    for kind, (low, high) in ranges.items():
        seen: dict[str, Any] = {"kind": kind, "elements": 0, "broken": 0, "kept": 0, "low": low, "high": high}
        example: list[str] = []
        for _ in range(calls):
            shape = (batch, *feature)
            magnitude = low + (high - low) * rng.random(shape)
            values = round_to(magnitude * rng.choice([-1.0, 1.0], shape), case.dtype)
            output, dropped = added(target, layer, values, case.dtype, case.device)
            if not of_shape(output, values):
                raise NotApplicable("the output has another shape than x (see DP005)")
            broken = np.isnan(output) if kind == "overflows" else ~np.isfinite(output)
            if broken.any() and not example:
                example = [f"{values[broken][0]:.6g}", f"{output[broken][0]:.6g}"]
            seen["elements"] += output.size
            seen["broken"] += int(np.count_nonzero(broken))
            seen["kept"] += int(np.count_nonzero(output != dropped))
        situations.append({**seen, "example": example})
    if case.drop_prob == RARE and not situations[0]["kept"]:
        raise NotApplicable("no sample was kept at a keep_prob of 2^-17 (see DP103)")
    return {"situations": situations, "features": list(feature)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single output that is not finite, or NaN where infinity is legitimate."""
    observed = [
        f"{seen['broken']} of {seen['elements']} outputs, such as {seen['example'][1]} for x = {seen['example'][0]}"
        for seen in evidence["situations"]
        if seen["broken"]
    ]
    if observed:
        promised = "; ".join(PROMISED[seen["kind"]] for seen in evidence["situations"] if seen["broken"])
        return Verdict.failed("; ".join(observed), promised=promised)
    total = sum(seen["elements"] for seen in evidence["situations"])
    return Verdict.passed(f"{total} outputs for x up to {evidence['situations'][-1]['high']:.6g}")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that runs the first situation that went wrong, all x alike."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    seen = next(seen for seen in evidence["situations"] if seen["broken"])
    x = seen["high"] if seen["kind"] == "fits" else 0.5 * seen["low"] + 0.5 * seen["high"]
    per_call = case.dialect.granularity == "batch"
    batch = SEVERAL if per_call else RARE_BATCH
    calls = CALLS_PER_DECISION if per_call else 64
    wrong = "y != y" if seen["kind"] == "overflows" else "(abs(y) >= inf) | (y != y)"
    return "\n".join([
        "from math import inf",
        *code.setup(),
        *code.construct(case.drop_prob),
        *code.input((batch, *evidence["features"]), case.dtype, case.device),
        f"x = x * {x!r}",
        f"for _ in range({calls}):",
        f"    y = {code.output(case.drop_prob)}",
        f"    assert not ({wrong}).any()",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield the cells in which samples are both kept and dropped; whether x is large enough is not known yet."""
    return per_cell([block for block in blocks if interior(block)], effort)


def _recorded_limits(case: Case) -> dict[str, tuple[float, float]]:
    """Return, for each kind, between what shares of the largest number |x| times its factor lies."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    factor = multiplier(case.drop_prob, case.dialect.scaling)
    fits = "factor" if factor > FORMATS[case.dtype].largest else "fits"
    return {fits: (0.5 * FITS, FITS), **({"overflows": (1.05, factor)} if factor > 1.05 else {})}


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Sort the outputs for recorded x that are large enough, a shortcut counted in."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    largest, factor = FORMATS[case.dtype].largest, multiplier(case.drop_prob, case.dialect.scaling)
    situations: dict[str, dict[str, Any]] = {
        kind: {"kind": kind, "elements": 0, "broken": 0, "kept": 0, "low": low / factor * largest,
               "high": high / factor * largest, "example": []}
        for kind, (low, high) in _recorded_limits(case).items()
    }  # fmt: skip
    for chunk in chunks(recording, case):
        scaled, base = np.abs(chunk.x) / (largest / factor), np.abs(chunk.base) / largest
        for kind, (low, high) in _recorded_limits(case).items():
            seen = situations[kind]
            # What is added may neither fill the room above, nor bring back what overflowed.
            where = (scaled >= low) & (scaled + base <= high if kind != "overflows" else base <= 0.02)
            where &= np.isfinite(chunk.x)
            x, y = chunk.x[where], chunk.y[where]
            broken = np.isnan(y) if kind == "overflows" else ~np.isfinite(y)
            if broken.any() and not seen["example"]:
                seen["example"] = [f"{x[broken][0]:.6g}", f"{y[broken][0]:.6g}"]
            seen["elements"] += y.size
            seen["broken"] += int(np.count_nonzero(broken))
            seen["kept"] += int(np.count_nonzero(y != chunk.base[where]))
    found = [seen for seen in situations.values() if seen["elements"] and (seen["kind"] != "factor" or seen["kept"])]
    if not found:
        low = min(seen["low"] for seen in situations.values())
        raise NotApplicable(f"no recorded x is as large as {low:.3g}, or none of these was kept")
    return {"situations": found, "features": []}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that looks at the outputs for recorded x of the first situation that went wrong."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    largest, factor = FORMATS[case.dtype].largest, multiplier(case.drop_prob, case.dialect.scaling)
    seen = next(seen for seen in evidence["situations"] if seen["broken"])
    low, high = _recorded_limits(case)[seen["kind"]]
    overflows = seen["kind"] == "overflows"
    each = [
        f"scaled, added = abs(x) / {largest / factor!r}, abs(dropped) / {largest!r}",
        f"large = np.isfinite(x) & (scaled >= {low!r}) & "
        + ("(added <= 0.02)" if overflows else f"(scaled + added <= {high!r})"),
        "large = np.broadcast_to(large, y.shape)",
        f"assert {'not np.isnan(y[large]).any()' if overflows else 'np.isfinite(y[large]).all()'}, set(y[large])",
    ]
    return script(case, code, each, ())


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "floor_mask",
        "adds_what_it_subtracts",
        "scales_in_percent",
        "multiplies_by_the_batch_size",
        "factor_in_the_dtype_of_x",
        "unscales_what_it_scaled",
        "subtracts_from_the_sum",
    ),
    applicable=applicable,
    recorded=Recorded(recorded_cases, collect_recorded, show_recorded, NOT_INTERIOR),
)
