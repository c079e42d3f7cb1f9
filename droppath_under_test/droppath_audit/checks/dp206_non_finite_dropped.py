"""DP206 non-finite-dropped: a dropped sample that holds inf or NaN comes back as zeros.

What it checks
    Every sample holds infinities of both signs and NaN beside ordinary numbers, which tell whether it was dropped.
    Everything in a dropped sample must be zero, no infinity may become NaN, and of elements that are decided one by
    one some NaN must come back zero (none of 64 does so by chance once in 2^64). With keep_prob = 0 all of it is
    zero. With a shortcut, a dropped sample is its shortcut. What a kept NaN becomes is not judged.
Why it matters
    Dropping a branch is thought to take it out of the sum. Where it is multiplied by 0 instead, a branch that
    overflowed poisons the shortcut, and with it the whole network, in the very steps in which it was switched off.
How to fix
    Select: where(mask, x, 0) / keep_prob. A product of NaN, or of infinity, with 0 is NaN.
Seen in
    Every layer that multiplies by its mask: timm, torchvision, transformers, mmcv. flax selects.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.extremes import added, of_shape
from droppath_audit.probes.inputs import features
from droppath_audit.probes.recorded import SHAPE, chunks, per_dtype, script
from droppath_audit.probes.values import moderate
from droppath_reference.law import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target

    Floats = npt.NDArray[np.float64]

BATCH, SEVERAL, CALLS = 128, 3, 64  # SEVERAL samples, and CALLS calls, where a call is one decision
BITS = 64  # that many NaN, or decisions as unlikely, and none dropped: by chance once in 2^64
SPECIAL = (np.nan, np.inf, -np.inf)
PROMISED = "zero where dropped"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count what is left of infinities and NaN at drop_prob 0.5, and at 1 where that is not refused."""
    assert case.dtype is not None  # noqa: S101
    feature = features(target, case.dtype, case.device, wide=True)
    per_call = case.dialect.granularity == "batch"
    shape = (SEVERAL if per_call else BATCH, *feature)
    found = []
    for drop_prob in (0.5, 1.0) if case.dialect.keep_prob_zero != "raises" else (0.5,):
        layer = target.make(drop_prob)
        seen = {"drop_prob": drop_prob, "judged": 0, "left": 0, "nan_of_inf": 0, "nan": 0, "nan_to_zero": 0}
        for _ in range(CALLS if per_call else case.effort.pick(2, 4, 32)):
            values = moderate(rng, shape, case.dtype)
            telling = np.zeros(shape, dtype=np.bool_)
            # The first element of a sample tells its fate, where a sample has several that share it.
            telling.reshape(shape[0], -1)[:, 0] = values[0].size > 1 and case.dialect.granularity != "element"
            values[~telling] = np.resize(SPECIAL, np.count_nonzero(~telling))
            output, zero = added(target, layer, values, case.dtype, case.device)
            if not of_shape(output, values):
                raise NotApplicable("the output has another shape than x (see DP005)")
            dropped = _dropped(output == zero, telling, drop_prob, case.dialect.granularity) & ~telling
            seen["judged"] += int(np.count_nonzero(dropped))
            seen["left"] += int(np.count_nonzero(output[dropped] != zero))
            seen["nan_of_inf"] += int(np.count_nonzero(np.isnan(output) & np.isinf(values)))
            seen["nan"] += int(np.count_nonzero(np.isnan(values)))
            seen["nan_to_zero"] += int(np.count_nonzero(np.isnan(values) & (output == zero)))
        found.append(seen)
    return {"found": found, "shape": list(shape), "features": list(feature)}


def _dropped(
    zero: npt.NDArray[np.bool_], telling: npt.NDArray[np.bool_], drop_prob: float, granularity: str
) -> npt.NDArray[np.bool_]:
    """Return the elements that are known to have been dropped: all, or those whose telling neighbours were."""
    if drop_prob == 1.0:
        return np.ones_like(zero)
    known = (zero & telling).reshape(len(zero), -1).any(axis=1)
    if granularity == "batch":
        known = np.broadcast_to(known.any(), known.shape)
    return np.broadcast_to(known.reshape((-1,) + (1,) * (zero.ndim - 1)), zero.shape)


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single element that is left of a dropped sample, or on an infinity that became NaN."""
    observed = []
    for seen in evidence["found"]:
        at = f" at drop_prob {seen['drop_prob']:g}"
        if seen["left"]:
            observed.append(f"{seen['left']} of {seen['judged']} dropped elements are not zero{at}")
        elif seen["nan_of_inf"]:
            observed.append(f"{seen['nan_of_inf']} infinities became NaN{at}")
        elif seen["nan"] >= BITS and not seen["nan_to_zero"]:
            observed.append(f"none of {seen['nan']} NaN became zero{at}")
    if observed:
        return Verdict.failed("; ".join(observed), promised=PROMISED)
    judged, cleared = (sum(seen[name] for seen in evidence["found"]) for name in ("judged", "nan_to_zero"))
    return Verdict.passed(f"{judged} dropped elements are zero" if judged else f"{cleared} NaN became zero")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that drops everything, or half, of what is all NaN, or all infinite."""
    assert case.dtype is not None  # noqa: S101
    seen = next(
        seen for seen in evidence["found"] if seen["left"] or seen["nan_of_inf"] or not seen["nan_to_zero"]
    )  # fmt: skip
    p = seen["drop_prob"]
    lines = [
        "from math import inf, nan",
        *code.setup(),
        *code.construct(p),
        *code.input(tuple(evidence["shape"]), case.dtype, case.device),
    ]
    call = f"[{code.output(p)} for _ in range({CALLS})]"
    claim = "all((y == 0).all() for y in ys)" if p == 1.0 else "any((y == 0).any() for y in ys)"
    return "\n".join([
        *lines,
        "ones = x",
        "for value in (nan, inf, -inf):",
        "    x = ones * value",
        f"    ys = {call}",
        "    print('of', value, 'comes', set(ys[0].flatten().tolist()))",
        f"    assert {claim}",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield each dtype that was recorded in training at a drop_prob other than 0."""
    return per_dtype([block for block in blocks if block.training and block.drop_prob], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count what was left of recorded infinities and NaN in decisions whose other elements show that they dropped."""
    found: dict[float, dict[str, float]] = {}
    holding: dict[float, int] = {}
    granularity = case.dialect.granularity
    for chunk in chunks(recording, case):
        p = chunk.facts.drop_prob
        seen = found.setdefault(
            p, {"drop_prob": p, "judged": 0, "left": 0, "nan_of_inf": 0, "nan": 0, "nan_to_zero": 0}
        )
        x, y, base, telling = (
            chunk.grouped(part, granularity) for part in (chunk.x, chunk.y, chunk.base, chunk.readable)
        )
        zero, sound = y == base, np.isfinite(base)
        dropped = (zero | ~telling).all(axis=2) & (telling.any(axis=2) | (p == 1.0))
        judged = dropped[:, :, None] & ~np.isfinite(x) & sound
        nan = np.isnan(x) & sound
        seen["judged"] += int(np.count_nonzero(judged))
        seen["left"] += int(np.count_nonzero(judged & ~zero))
        seen["nan_of_inf"] += int(np.count_nonzero(np.isnan(y) & np.isinf(x) & sound))
        seen["nan_to_zero"] += int(np.count_nonzero(nan & zero))
        seen["nan"] += int(np.count_nonzero(nan))
        holding[p] = holding.get(p, 0) + int(np.count_nonzero(nan.any(axis=2)))
    for p, seen in found.items():
        if p == 1.0 or holding[p] * -math.log2(1.0 - p) < BITS:
            seen["nan"] = 0  # that none of so few is dropped happens by chance, or is judged already
    some = [seen for seen in found.values() if seen["judged"] or seen["nan_of_inf"] or seen["nan"] >= BITS]
    if not some:
        raise NotApplicable("no recorded x holds inf or NaN in a sample that is known to be dropped")
    return {"found": some, "shape": [], "features": []}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that looks at what became of recorded infinities and NaN."""
    assert case.dtype is not None  # noqa: S101
    seen = next(seen for seen in evidence["found"] if seen["left"] or seen["nan_of_inf"] or not seen["nan_to_zero"])
    part = replace(case, blocks=tuple(block for block in case.blocks if block.drop_prob == seen["drop_prob"]))
    after = []
    if seen["left"]:
        form, shape = FORMATS[case.dtype], SHAPE[case.dialect.granularity]
        each = [
            "x, dropped = np.broadcast_to(x, y.shape), np.broadcast_to(dropped, y.shape)",
            f"told = np.isfinite(x) & (abs(x) >= {2.0**form.min_exponent!r})"
            f" & (abs(x) > abs(dropped) * {2.0 ** (1 - form.precision)!r})",
            f"zero, told = (y == dropped).reshape({shape}), told.reshape({shape})",
            "gone = (zero | ~told).all(-1)" + (" & told.any(-1)" if seen["drop_prob"] < 1.0 else ""),
            f"special = ~np.isfinite(x).reshape({shape}) & np.isfinite(dropped).reshape({shape})",
            f"left = y.reshape({shape})[gone[:, :, None] & special & ~zero]",
            "assert not len(left), left",
        ]
    elif seen["nan_of_inf"]:
        each = ["assert not (np.isnan(y) & np.isinf(x) & np.isfinite(dropped)).any()"]
    else:
        each = ["zeros += ((y == dropped) & np.isnan(x)).sum()"]
        after = ["assert zeros"]
    return script(part, code, each, after, before=["zeros = 0"] if after else [])


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        "the recording has no calls in training at a drop_prob other than 0",
    ),
    mutants=(
        "floor_mask",
        "multiplies_by_its_mask",
        "subtracts_what_it_drops",
        "interpolates_towards_zero",
        "clears_nan_alone",
        "selects_only_below_one",
        "multiplies_the_dropped_rows",
    ),
)
