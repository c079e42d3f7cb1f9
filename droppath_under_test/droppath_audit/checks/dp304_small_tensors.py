"""DP304 small-tensors: empty batches, single samples, features of size 0 and 1-D inputs give the right shape.

What it checks
    In every dtype, for B = 0, B = 1, features of size 0 and inputs of rank 1, at drop_prob 0, 0.5 and 1, in training
    and in evaluation, the call returns a tensor of x's shape, dtype and device, and the backward pass returns a
    gradient of that shape. An input fixed by the SPEC is tried with 0 and 1 samples.
Why it matters
    The last batch of a shard is empty or holds one sample, a detector finds nothing, a filter selects no tokens: what
    worked for hours then stops.
How to fix
    Derive the mask's shape from x's alone; no -1 in reshape or view, no division by the batch size, no squeeze.
Seen in
    Layers that flatten samples with -1, which a tensor without elements leaves undetermined; per-sample loops that
    stack an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.gradients import gradient_of

if TYPE_CHECKING:
    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.frameworks.base import Target

SHAPES = (
    (0,),
    (1,),
    (3,),
    (0, 4),
    (1, 4),
    (3, 0),
    (1, 0),
    (0, 0),
    (0, 2, 3, 3),
    (1, 2, 3, 3),
    (3, 2, 0, 3),
    (3, 0, 1, 1),
)
BATCHES = (0, 1)
DROP_PROBS = (0.0, 0.5, 1.0)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run every shape forward in both modes, and backward."""
    assert case.dtype is not None  # noqa: S101
    shapes = [(batch, *target.fixed_shape[1:]) for batch in BATCHES] if target.fixed_shape else list(SHAPES)
    calls, wrong = 0, []
    for drop_prob in DROP_PROBS:
        if drop_prob == 1.0 and case.dialect.keep_prob_zero == "raises":
            continue
        layer = target.make(drop_prob)
        for shape in shapes:
            x = target.framework.ones(shape, case.dtype, case.device)
            promised = str(target.framework.info(x))
            for mode in ("training", "evaluation", "backward") if target.evaluates else ("training", "backward"):
                calls += 1
                found = _outcome(target, layer, x, mode)
                if found != promised:
                    wrong.append({"shape": list(shape), "mode": mode, "drop_prob": drop_prob, "promised": promised,
                                  "found": found})  # fmt: skip
    return {"calls": calls, "wrong": wrong}


def _outcome(target: Target, layer: Any, x: Any, mode: str) -> str:
    """Return the description of what comes back, or why nothing does."""
    framework = target.framework
    try:
        if mode == "backward":
            result = gradient_of(target, layer, x, x)
            return result.reason or str(framework.info(result.gradient))
        return str(framework.info(layer(x, training=mode == "training")))
    except (TargetRaised, TypeError) as error:
        return str(error)


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single call that gives something else."""
    wrong, calls = evidence["wrong"], evidence["calls"]
    if not wrong:
        return Verdict.passed(f"{calls} of {calls} calls give the right shape")
    first = wrong[0]
    return Verdict.failed(
        f"{first['found']} for shape {first['shape']} in {first['mode']} at drop_prob {first['drop_prob']:g}"
        + (f"; {len(wrong)} of {calls} calls are wrong" if len(wrong) > 1 else ""),
        promised=first["promised"],
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the first call that went wrong."""
    assert case.dtype is not None  # noqa: S101
    first = evidence["wrong"][0]
    p, training, backward = first["drop_prob"], first["mode"] != "evaluation", first["mode"] == "backward"
    call = [
        *([code.track] if backward else []),
        f"y = {code.output(p, training=training)}",
        *([code.backward] if backward else []),
    ]
    result = "x.grad" if backward else "y"
    return "\n".join([
        *code.setup(),
        *code.construct(p, training=training),
        *code.input(tuple(first["shape"]), case.dtype, case.device),
        "try:",
        *(f"    {line}" for line in call),
        "except Exception as error:",
        "    raise AssertionError(f'shape {x.shape}: {error}') from error",
        f"assert {result}.shape == x.shape and {result}.dtype == x.dtype",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called on tensors without elements; a recording cannot be driven",
    mutants=("raises_on_empty_batch", "flattens_its_samples", "squeezes_single_samples"),
)
