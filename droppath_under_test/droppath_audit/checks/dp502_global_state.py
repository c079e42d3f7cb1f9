"""DP502 global-state: a call advances the framework's generator, changes no other, and never reseeds.

What it checks
    Around a training call the states of Python's, NumPy's and the framework's generators are compared: the
    framework's moves, the others do not. After calls that began with two different seeds the framework's states
    differ, so the call did not set one.
Why it matters
    A layer that seeds the global generator makes every other random choice of the program the same from then on; one
    that draws from another library couples data augmentation to the depth of the network.
How to fix
    Draw from the framework's default generator, and call manual_seed nowhere in a layer.
Seen in
    Layers with random.random() in forward; layers that call manual_seed to be "deterministic".
"""

from __future__ import annotations

import random
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
    from droppath_audit.frameworks.base import Target

DROP_PROB = 0.5


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare generator states around calls that begin with two seeds."""
    assert case.dtype is not None  # noqa: S101
    framework, layer = target.framework, target.make(DROP_PROB)
    x = framework.ones((16, *features(target, case.dtype, case.device)), case.dtype, case.device)
    moved = {"python": False, "numpy": False, "framework": False}
    after = []
    for seed in rng.integers(2**32, size=2):
        framework.seed(int(seed))
        before = _states(target, case)
        layer(x, training=True)
        now = _states(target, case)
        moved = {name: moved[name] or before[name] != now[name] for name in moved}
        after.append(now["framework"])
    return {"moved": moved, "reseeded": after[0] == after[1]}


def _states(target: Target, case: Case) -> dict[str, object]:
    numpy = np.random.get_state(legacy=False)
    return {
        "python": random.getstate(),
        "numpy": repr(numpy["state"]["key"].tolist()) + repr(numpy["state"]["pos"]),
        "framework": target.framework.generator_state(case.device),
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where a foreign generator moved, the framework's did not, or it was reseeded."""
    moved = evidence["moved"]
    observed = [f"{name}'s generator moved" for name in ("python", "numpy") if moved[name]]
    if evidence["reseeded"]:
        observed.append("the framework's generator is in the same state after calls from two seeds: it was reseeded")
    elif not moved["framework"]:
        observed.append("the framework's generator did not move")
    if observed:
        return Verdict.failed("; ".join(observed), promised="the framework's generator advances, and no other")
    return Verdict.passed("the framework's generator advances, and no other")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that watches the state that was wrong."""
    call = code.output(DROP_PROB)
    moved = evidence["moved"]
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((16, 1), "float32", case.device)]
    if moved["python"]:
        watched = ["import random", "before = random.getstate()", call, "assert random.getstate() == before"]
    elif moved["numpy"]:
        watched = ["import numpy", "before = numpy.random.get_state()[2]", call,
                   "assert numpy.random.get_state()[2] == before"]  # fmt: skip
    elif evidence["reseeded"]:
        watched = [call, f"first = {call}.tolist()", code.setup(1)[-1], call, f"assert {call}.tolist() != first"]
        watched = [line.replace("(16, 1)", "(256, 1)") for line in watched]
        lines = [line.replace("(16, 1)", "(256, 1)") for line in lines]
    else:
        watched = [f"first = {call}.tolist()", *code.setup(0)[-1:], f"assert {call}.tolist() == first"]
        lines = [line.replace("(16, 1)", "(256, 1)") for line in lines]
    return "\n".join([*lines, *watched])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="the global generators must be watched while it runs; a recording cannot be driven",
    mutants=("draws_from_numpy", "draws_from_python", "generator_of_its_own", "reseeds_every_call"),
)
