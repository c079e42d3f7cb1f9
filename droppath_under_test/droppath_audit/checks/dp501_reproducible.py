"""DP501 reproducible: the framework's seed fixes the masks, and another seed gives others.

What it checks
    The framework is seeded and the layer called a few times, twice over: the outputs agree. With another seed they
    differ. The generators of Python and NumPy are left where they are.
Why it matters
    A run that cannot be repeated cannot be debugged; under activation checkpointing, where only the framework's state
    is restored, the recomputed mask is another one and gradients are silently wrong.
How to fix
    Draw with the framework's own functions, not with random or numpy.random, and without a generator of your own that
    has a constant seed.
Seen in
    Layers that decide with random.random(); 100 of 200 masks differ under checkpointing.
"""

from __future__ import annotations

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

# 256 decisions at drop_prob 0.5: two seeds agree by chance once in 2^256.
DECISIONS, DROP_PROB = 256, 0.5
CALLS = 4


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare the masks of two runs with one seed, and of a run with another."""
    first, second = (int(seed) for seed in rng.integers(2**32, size=2))
    runs = [_masks(target, case, seed) for seed in (first, first, second)]
    return {
        "decisions": int(runs[0].size),
        "differ_with_one_seed": int(np.count_nonzero(runs[0] != runs[1])),
        "differ_with_two_seeds": int(np.count_nonzero(runs[0] != runs[2])),
    }


def _masks(target: Target, case: Case, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    assert case.dtype is not None  # noqa: S101
    per_call = case.dialect.granularity == "batch"
    batch, calls = (1, DECISIONS) if per_call else (DECISIONS, CALLS)
    framework, layer = target.framework, target.make(DROP_PROB)
    shape = (batch, *features(target, case.dtype, case.device))
    framework.seed(seed)
    outputs = [layer(framework.ones(shape, case.dtype, case.device), training=True) for _ in range(calls)]
    return np.stack([framework.numpy(output).reshape(batch, -1)[:, 0] != 0 for output in outputs])


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where one seed gives two masks, or two seeds one."""
    total = evidence["decisions"]
    promised = "the framework's seed decides the masks"
    if evidence["differ_with_one_seed"]:
        observed = f"{evidence['differ_with_one_seed']} of {total} decisions differ between two runs with one seed"
        return Verdict.failed(observed, promised=promised)
    if not evidence["differ_with_two_seeds"]:
        return Verdict.failed(f"two seeds give the same {total} decisions", promised=promised)
    return Verdict.passed(f"{total} of {total} decisions repeated, and others with another seed")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares masks of two runs."""
    repeatable = not evidence["differ_with_one_seed"]
    batch, calls = (1, DECISIONS) if case.dialect.granularity == "batch" else (DECISIONS, 1)
    mask = f"({code.output(DROP_PROB)} != 0).tolist()"
    run = [*code.construct(DROP_PROB), f"masks.append([{mask} for _ in range({calls})])"]
    again = code.setup(1 if repeatable else 0)[-1]
    lines = [*code.setup(0), *code.input((batch, 1), "float32", case.device), "masks = []", *run, again, *run]
    claim = "masks[0] != masks[1]" if repeatable else "masks[0] == masks[1]"
    return "\n".join([*lines, "print('same masks:', masks[0] == masks[1])", f"assert {claim}"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be seeded, and called again; a recording cannot be driven",
    mutants=("draws_from_numpy", "draws_from_python", "generator_of_its_own", "reseeds_every_call"),
)
