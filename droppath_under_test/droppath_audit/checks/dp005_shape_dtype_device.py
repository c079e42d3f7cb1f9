"""DP005 shape-dtype-device: the output has the shape, dtype and device of x, for every rank from 1 on.

What it checks
    In training and in evaluation, for inputs of rank 1 to 6, the output has exactly the shape, the dtype and the
    device of x. An input fixed by the SPEC is tried at several batch sizes instead.
Why it matters
    A mask of fixed rank broadcasts (16, 4) to (16, 1, 16, 4) without an error, and an output widened to float32
    silently turns the rest of a half-precision network into single precision.
How to fix
    Give the mask the shape (B, 1, 1, …) of x's own rank, and create it with x's dtype and device.
Seen in
    Four-dimensional masks of EfficientNet ports; vit-pytorch and mindcv, which return float32 for half precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.recorded import dtype_script, per_dtype

if TYPE_CHECKING:
    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.recording import Recording
    from droppath_audit.frameworks.base import Target

SHAPES = ((7,), (5, 3), (5, 3, 2), (5, 3, 4, 2), (3, 2, 1, 2, 2), (3, 1, 2, 1, 2, 2))
BATCHES = (1, 3, 16)
DROP_PROB = 0.3


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run every shape in both modes and list what comes back different."""
    assert case.dtype is not None  # noqa: S101
    framework, layer = target.framework, target.make(DROP_PROB)
    shapes = [(batch, *target.fixed_shape[1:]) for batch in BATCHES] if target.fixed_shape else list(SHAPES)
    wrong = []
    modes = (True, False) if target.evaluates else (True,)
    for shape in shapes:
        x = framework.ones(shape, case.dtype, case.device)
        for training in modes:
            try:
                found = str(framework.info(layer(x, training=training)))
            except TargetRaised as error:
                found = str(error)
            except TypeError as error:
                found = str(error)
            if found != str(framework.info(x)):
                wrong.append({"shape": list(shape), "training": training, "promised": str(framework.info(x)),
                              "found": found})  # fmt: skip
    return {"calls": len(shapes) * len(modes), "wrong": wrong}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single call whose output differs in shape, dtype or device."""
    wrong, calls = evidence["wrong"], evidence["calls"]
    if not wrong:
        return Verdict.passed(f"{calls} of {calls} calls keep shape, dtype and device")
    first = wrong[0]
    mode = "training" if first["training"] else "evaluation"
    return Verdict.failed(
        f"{first['found']} in {mode}" + (f"; {len(wrong)} of {calls} calls differ" if len(wrong) > 1 else ""),
        promised=first["promised"],
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the first shape that came back different."""
    assert case.dtype is not None  # noqa: S101
    first = evidence["wrong"][0]
    lines = code.run(DROP_PROB, tuple(first["shape"]), case.dtype, case.device, training=first["training"])
    return "\n".join([
        *lines,
        "print(x.dtype, x.shape, '->', y.dtype, y.shape)",
        "assert y.shape == x.shape and y.dtype == x.dtype and y.device == x.device",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:  # noqa: ARG001
    """List the blocks whose outputs are of another dtype; those of another shape are no recording."""
    wrong = [
        {"shape": list(block.shape), "training": block.training, "promised": f"{block.dtype}{list(block.shape)}",
         "found": f"{block.output_dtype}{list(block.shape)}"}
        for block in case.blocks if block.output_dtype != block.dtype for _ in range(block.calls)
    ]  # fmt: skip
    return {"calls": sum(block.calls for block in case.blocks), "wrong": wrong}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script with the dtypes that the recording names."""
    return dtype_script(case)


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("mask_of_rank_four", "widened_to_float32"),
    recorded=Recorded(per_dtype, collect_recorded, show_recorded, "the recording is empty"),
)
