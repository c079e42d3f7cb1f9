"""DP504 thread-and-process: threads, forked workers and ranks that are seeded apart share no mask and break nothing.

What it checks
    Three forks of the process, as data-loader workers and launched ranks are, seed the framework, two alike and one
    differently, and call a layer that had been called before: masks are equal where seeds are and differ where seeds
    do. Without a seed of its own a fork repeats its parent's numbers, in torch as anywhere; that is not a fault. Then
    two threads call one layer with different batches, handing over after every line of Python: each output must be
    made of its own x, with every unit whole, and the masks of the threads must differ. Nothing may raise, and all must
    end within six seconds.
Why it matters
    Ranks that drop the same samples halve the randomness of a step without a sign of it. A layer that keeps its mask,
    or the shape of its input, on itself gives one user's numbers to another where a server calls it in threads.
How to fix
    Draw from the framework's default generator in the call itself, keep nothing on the layer between two lines, start
    no threads, and own no generator.
Seen in
    Layers that own a generator, or draw from NumPy's, whose state every fork copies: all workers share their masks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.fuzz.oracle import training_violations
from droppath_audit.probes.concurrency import in_processes, in_threads
from droppath_audit.probes.inputs import features
from droppath_audit.probes.values import moderate
from droppath_audit.scripts.snippets import PROCESSES, THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Layer, Target

# 64 decisions at drop_prob 0.5: two masks agree by chance once in 2^64.
DECISIONS, DROP_PROB = 64, 0.5
BATCHES = (DECISIONS, DECISIONS + 16)  # of the two threads, so that one's mask does not fit the other's x
CALLS = 4
SECONDS = 6.0  # which a correct layer needs a hundredth of; a trial that takes ten counts as hanging
OURS = (
    "droppath_audit.targets",
    "droppath_audit.probes",
    "droppath_audit.fuzz",
    "droppath_audit.checks",
    "threading",
    "contextlib",
)


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run a layer in three forks, where the device allows that, and in two threads."""
    assert case.dtype is not None  # noqa: S101
    layer = target.make(DROP_PROB)
    feature = features(target, case.dtype, case.device, wide=True)
    # What a layer prepares in its first call is there before the fork.
    layer(target.framework.ones((DECISIONS, *feature), case.dtype, case.device), training=True)
    processes = _processes(target, layer, case, feature, rng)
    if any("in time" in problem for problem in processes["problems"]):
        return {"processes": processes, "threads": None, "features": list(feature)}
    return {
        "processes": processes,
        "threads": _threads(target, layer, case, feature, rng),
        "features": list(feature),
    }


def _processes(
    target: Target, layer: Layer, case: Case, feature: tuple[int, ...], rng: np.random.Generator
) -> dict[str, Any]:
    hazard = "this system does not fork" if not hasattr(os, "fork") else ""
    try:
        hazard = hazard or target.framework.fork_hazard(case.device)
    except NotApplicable as error:
        hazard = str(error)
    if hazard:
        return {"hazard": hazard, "problems": [], "shared": False, "followed": True}
    framework, dtype = target.framework, case.dtype
    assert dtype is not None  # noqa: S101
    per_call = case.dialect.granularity == "batch"
    shape, calls = ((1, *feature), DECISIONS) if per_call else ((DECISIONS, *feature), 1)

    def masks(seed: int) -> Callable[[], bytes]:
        def action() -> bytes:
            framework.seed(seed)
            x = framework.ones(shape, dtype, case.device)
            outputs = [framework.numpy(layer(x, training=True)) for _ in range(calls)]
            return b"".join((output.reshape(shape[0], -1)[:, 0] != 0).tobytes() for output in outputs)

        return action

    first, second = (int(seed) for seed in rng.integers(2**31, size=2))
    ran = in_processes([masks(first), masks(second), masks(first)], SECONDS)
    problems = sorted({one.problem for one in ran if one.problem})
    return {
        "hazard": "",
        "problems": problems,
        "shared": not problems and ran[0].value == ran[1].value,
        "followed": bool(problems) or ran[0].value == ran[2].value,
    }


def _threads(
    target: Target, layer: Layer, case: Case, feature: tuple[int, ...], rng: np.random.Generator
) -> dict[str, Any]:
    framework, dtype = target.framework, case.dtype
    assert dtype is not None  # noqa: S101
    per_call = case.dialect.granularity == "batch"
    batches, calls = ((2, 3), DECISIONS) if per_call else (BATCHES, CALLS)
    inputs = [moderate(rng, (batch, *feature), dtype) for batch in batches]

    def outputs(values: npt.NDArray[np.float64]) -> Callable[[], list[npt.NDArray[np.float64]]]:
        x = framework.tensor(values, dtype, case.device)
        return lambda: [framework.numpy(layer(x, training=True)) for _ in range(calls)]

    ran = in_threads([outputs(values) for values in inputs], SECONDS, (f"{framework.name}.", *OURS))
    problems = {one.problem for one in ran if one.problem}
    for values, one in zip(inputs, ran, strict=True):
        for output in one.value or ():
            if output.shape != values.shape:
                problems.add(f"in two threads, {list(values.shape)} became {list(output.shape)}")
                continue
            found = training_violations(values, output, DROP_PROB, dtype, case.dialect)
            problems |= {f"in two threads, {violation.text}" for violation in found[:1]}
    kept = [
        [(output.reshape(len(output), -1)[: min(batches), 0] != 0).tolist() for output in one.value or ()]
        for one in ran
    ]  # fmt: skip
    return {"problems": sorted(problems)[:4], "shared": not problems and _shared(kept, per_call=per_call)}


def _shared(kept: list[list[list[bool]]], *, per_call: bool) -> bool:
    """Return whether two threads had the same masks: in all calls of one decision, or in any of many."""
    alike = [mine == other for mine, other in zip(*kept, strict=True)]
    return all(alike) if per_call else any(alike)


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where processes or threads share masks, do not follow their seed, or come in each other's way."""
    processes, threads = evidence["processes"], evidence["threads"]
    observed = [*processes["problems"]]
    if processes["shared"]:
        observed.append("two forked processes with different seeds have the same masks")
    if not processes["followed"]:
        observed.append("two forked processes with one seed have different masks")
    if threads is not None:
        observed += threads["problems"]
        if threads["shared"]:
            observed.append("two threads have the same masks")
    if observed:
        return Verdict.failed("; ".join(observed), promised="masks of their own, from the framework's seed")
    forks = processes["hazard"] or "masks of three forks follow their seeds"
    return Verdict.passed(f"{forks}; two threads have masks of their own")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that forks, or takes turns in threads, as the check did."""
    assert case.dtype is not None  # noqa: S101
    processes = evidence["processes"]
    forks = bool(processes["problems"]) or processes["shared"] or not processes["followed"]
    per_call = case.dialect.granularity == "batch"
    batch, calls = (1, DECISIONS) if per_call else (DECISIONS, CALLS)
    lines = [
        *code.setup(),
        *code.construct(DROP_PROB),
        *code.input((batch, *evidence["features"]), case.dtype, case.device),
        code.output(DROP_PROB),
    ]
    if forks:
        seed, seeds = code.seed.replace("{seed}", "seed"), (0, 1) if processes["followed"] else (0, 0)
        return "\n".join([
            *lines,
            PROCESSES.format(seed=seed, call=code.output(DROP_PROB), calls=calls, seeds=seeds),
            f"assert masks[0] {'!=' if processes['followed'] else '=='} masks[1]",
        ])  # fmt: skip
    other = batch + (1 if per_call else 16)
    inputs = code.input((batch, *evidence["features"]), case.dtype, case.device)
    others = code.input((other, *evidence["features"]), case.dtype, case.device)
    return "\n".join([
        *lines,
        THREADS.format(
            inputs="\n        ".join(inputs),
            others="\n        ".join([*others, "x = 3 * x"]),
            call=code.output(DROP_PROB),
            calls=calls,
            skipped=(code.imports[0].split()[-1] + ".", "threading", "contextlib"),
            granularity=case.dialect.granularity,
            cut=batch,
            together="all" if per_call else "any",
        ),
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called from threads and processes; a recording cannot be driven",
    mutants=(
        "generator_of_its_own",
        "draws_from_numpy",
        "draws_from_python",
        "DrawsManyAhead",
        "DrawsInTheBackground",
        "SeedsByProcess",
        "KeepsItsMask",
        "KeepsItsShape",
        "GeneratorOfTheThread",
    ),
)
