"""DP003 mode-switch: train() and eval(), or the training argument, decide: each time, from any parent, and alone.

What it checks
    The mode is switched back and forth, and after every switch the layer must drop, or not drop. This is done on the
    layer itself, on a container two levels above it, starting from either mode, and without gradients, in inference
    mode and under autocast, none of which may change what happens. Whether a layer drops is read off 64 decisions at
    drop_prob 0.5: the probability that a correct one looks wrong is 2^-64 a call.
Why it matters
    A model is switched by one call at its top. A layer that this call does not reach, or that listens to the gradient
    mode instead, gives random predictions in production or no regularisation in training.
How to fix
    Look at self.training in every forward pass, or hand the argument through; keep no copy of the mode, and override
    neither train() nor eval() alone.
Seen in
    Jittor's DropPath, whose mode is a constructor argument that eval() does not reach.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Framework, Layer, Target, Tensor

DECISIONS = 64
DROP_PROB = 0.5
SEQUENCES = ((True, False, False, True, True, False, True), (False, True, False, True))


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case: modes know no dtype."""
    yield Case(device, "float64", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Switch a fresh layer through every sequence, in every surrounding, itself and from above."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    per_call = case.dialect.granularity == "batch"
    shape = (1 if per_call else DECISIONS, *features(target, case.dtype, case.device))
    calls, wrong = 0, []
    for nested in (False, True):
        for surrounding in ("", *framework.surroundings):
            for sequence in SEQUENCES if target.evaluates else ((True,),):
                layer = target.make(DROP_PROB)
                if nested and not layer.nest():
                    continue
                for step, training in enumerate(sequence):
                    with framework.surround(surrounding, case.device) if surrounding else nullcontext():
                        dropped = any(
                            # New ones each time: a target that writes to its input breaks DP004, not this promise.
                            _drops(framework, layer, framework.ones(shape, case.dtype, case.device), training)
                            for _ in range(DECISIONS if per_call else 1)
                        )
                    calls += 1
                    if dropped != training:
                        wrong.append(
                            {"nested": nested, "surrounding": surrounding, "modes": list(sequence[: step + 1])}
                        )
    return {"calls": calls, "wrong": wrong, "shape": list(shape), "surroundings": list(framework.surroundings)}


def _drops(framework: Framework, layer: Layer, x: Tensor, training: bool) -> bool:
    """Return whether an element comes back as zero."""
    return bool(np.any(framework.numpy(layer(x, training=training)) == 0))


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single call in the wrong mode."""
    wrong, calls = evidence["wrong"], evidence["calls"]
    if not wrong:
        under = ", ".join(["alone", *evidence["surroundings"]])  # what a framework lacks is not claimed
        return Verdict.passed(f"{calls} of {calls} calls are in the mode that was set last: {under}")
    first = wrong[0]
    words = ["train()" if training else "eval()" for training in first["modes"]]
    where = " of a container around it" if first["nested"] else ""
    under = f" under {first['surrounding']}" if first["surrounding"] else ""
    what = "drops nothing" if first["modes"][-1] else "still drops"
    return Verdict.failed(f"after {', '.join(words)}{where} it {what}{under}; {len(wrong)} of {calls} calls are wrong")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that switches in the order in which it first went wrong."""
    assert case.dtype is not None  # noqa: S101
    first = evidence["wrong"][0]
    nested, modes = first["nested"] and bool(code.nest), first["modes"]
    surrounding = code.surroundings.get(first["surrounding"], "")
    repeats = 1 if evidence["shape"][0] == DECISIONS else DECISIONS
    lines = [
        *code.setup(),
        *code.construct(DROP_PROB),
        *code.input(tuple(evidence["shape"]), case.dtype, case.device),
        *([code.nest] if nested else []),
        *(["from contextlib import nullcontext"] if not surrounding else []),
    ]
    for training in modes:
        lines += [
            *code.switch(DROP_PROB, training=training, nested=nested),
            f"with {surrounding or 'nullcontext()'}:",
            f"    ys = [{code.output(DROP_PROB, training=training)} for _ in range({repeats})]",
        ]
    expected = "any" if modes[-1] else "not any"
    return "\n".join([*lines, "print(ys[0].flatten())", f"assert {expected}((y == 0).any() for y in ys)"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its mode must be switched; a recording cannot be driven",
    mutants=("ModeOfConstruction", "ModeOfFirstCall", "ModeOfOwnSwitch", "mode_of_gradients", "mode_of_autocast"),
)
