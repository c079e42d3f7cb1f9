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
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks import spelling_of
from droppath_audit.frameworks.capabilities import Forking
from droppath_audit.fuzz.oracle import training_violations
from droppath_audit.probes.concurrency import in_processes, in_threads
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import concurrency
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

# 64 decisions at drop_prob 0.5: two masks agree by chance once in 2^64.
DECISIONS, DROP_PROB = 64, 0.5
BATCHES = (DECISIONS, DECISIONS + 16)  # of the two threads, so that one's mask does not fit the other's x
CALLS = 4
SECONDS = 6.0  # which a correct layer needs a hundredth of; a trial that takes ten counts as hanging
OURS = (
    "droppath_audit.targets",
    "droppath_audit.frameworks",
    "droppath_audit.probes",
    "droppath_audit.fuzz",
    "droppath_audit.checks",
    "threading",
    "contextlib",
)


@dataclass(frozen=True)
class Processes:
    """What came of three forks.

    Attributes:
        hazard: Why there were none; empty where there were.
        problems: What came in their way.
        shared: Whether two with different seeds had the same masks.
        followed: Whether two with one seed had.
    """

    hazard: str = ""
    problems: tuple[str, ...] = ()
    shared: bool = False
    followed: bool = True

    @property
    def bad(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.problems) or self.shared or not self.followed


@dataclass(frozen=True)
class Threads:
    """What came of two threads: problems, and whether they had the same masks."""

    problems: tuple[str, ...]
    shared: bool


@dataclass(frozen=True)
class Seen:
    """What came of forks, of threads (not tried where a fork hung), and the features of a sample."""

    processes: Processes
    threads: Threads | None
    features: tuple[int, ...]


class ThreadAndProcess(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32",))  # the dtype has no part in where random numbers come from
    driven = "it must be called from threads and processes"
    mutants = (
        "generator_of_its_own",
        "draws_from_numpy",
        "draws_from_python",
        "DrawsManyAhead",
        "DrawsInTheBackground",
        "SeedsByProcess",
        "KeepsItsMask",
        "KeepsItsShape",
        "GeneratorOfTheThread",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Run a layer in three forks, where the device allows that, and in two threads."""
        layer, shape = probe.make(DROP_PROB), probe.shape(DECISIONS, wide=True)
        # What a layer prepares in its first call is there before the fork.
        layer(probe.ones(shape), training=True)
        processes = _processes(probe, layer)
        hangs = any("in time" in problem for problem in processes.problems)
        return Seen(processes, None if hangs else _threads(probe, layer), shape[1:])

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where processes or threads share masks, do not follow their seed, or come in each other's way."""
        processes, threads = seen.processes, seen.threads
        observed = [*processes.problems]
        if processes.shared:
            observed.append("two forked processes with different seeds have the same masks")
        if not processes.followed:
            observed.append("two forked processes with one seed have different masks")
        if threads is not None:
            observed += threads.problems
            if threads.shared:
                observed.append("two threads have the same masks")
        if observed:
            return Verdict.failed("; ".join(observed), promised="masks of their own, from the framework's seed")
        forks = processes.hazard or "masks of three forks follow their seeds"
        return Verdict.passed(f"{forks}; two threads have masks of their own")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Fork, or take turns in threads, as the check did."""
        batch, calls = (1, DECISIONS) if at.per_call else (DECISIONS, CALLS)
        script.layer(DROP_PROB)
        script.ones((batch, *seen.features))
        script.add(script.call(DROP_PROB))
        if seen.processes.bad:
            followed = seen.processes.followed
            concurrency.in_processes(script, DROP_PROB, calls if at.per_call else 1, (0, 1) if followed else (0, 0))
            script.add(f"assert masks[0] {'!=' if followed else '=='} masks[1]")
        else:
            other = batch + (1 if at.per_call else 16)
            shapes = ((batch, *seen.features), (other, *seen.features))
            concurrency.in_threads(script, DROP_PROB, calls, shapes, multiplier(DROP_PROB, at.dialect.scaling))
            script.add(f"assert not {'all' if at.per_call else 'any'}(alike), 'the threads have the same masks'")


def _hazard(probe: LiveProbe[DtypeCase]) -> str:
    """Return why no process can be forked, or an empty text."""
    if not hasattr(os, "fork"):
        return "this system does not fork"
    try:
        return probe.ask(Forking).fork_hazard(probe.at.device)
    except NotApplicable as error:
        return str(error)


def _processes(probe: LiveProbe[DtypeCase], layer: Layer) -> Processes:
    hazard = _hazard(probe)
    if hazard:
        return Processes(hazard)
    framework = probe.framework
    batch, calls = (1, DECISIONS) if probe.at.per_call else (DECISIONS, 1)

    def masks(seed: int) -> bytes:
        framework.seed(seed)
        x = probe.ones(probe.shape(batch, wide=True))
        outputs = [framework.numpy(layer(x, training=True)) for _ in range(calls)]
        return b"".join((output.reshape(batch, -1)[:, 0] != 0).tobytes() for output in outputs)

    first, second = (int(seed) for seed in probe.rng.integers(2**31, size=2))
    ran = in_processes([partial(masks, seed) for seed in (first, second, first)], SECONDS)
    problems = sorted({one.problem for one in ran if one.problem})
    if problems:
        return Processes(problems=tuple(problems))
    return Processes(shared=ran[0].value == ran[1].value, followed=ran[0].value == ran[2].value)


def _threads(probe: LiveProbe[DtypeCase], layer: Layer) -> Threads:
    framework, per_call = probe.framework, probe.at.per_call
    batches, calls = ((2, 3), DECISIONS) if per_call else (BATCHES, CALLS)
    inputs = [moderate(probe.rng, probe.shape(batch, wide=True), probe.dtype) for batch in batches]

    def outputs(x: Tensor) -> list[npt.NDArray[np.float64]]:
        return [framework.numpy(layer(x, training=True)) for _ in range(calls)]

    skipped = (spelling_of(framework.name).own, *OURS)
    ran = in_threads([partial(outputs, probe.tensor(values)) for values in inputs], SECONDS, skipped)
    problems = {one.problem for one in ran if one.problem}
    for values, one in zip(inputs, ran, strict=True):
        for output in one.value or ():
            if output.shape != values.shape:
                problems.add(f"in two threads, {list(values.shape)} became {list(output.shape)}")
                continue
            found = training_violations(values, output, DROP_PROB, probe.dtype, probe.at.dialect)
            problems |= {f"in two threads, {violation.text}" for violation in found[:1]}
    fates = [
        [(output.reshape(len(output), -1)[: min(batches), 0] != 0).tolist() for output in one.value or ()]
        for one in ran
    ]  # fmt: skip
    # Two calls of one decision agree by chance, all of them do not; of calls with many decisions none may.
    alike = [mine == other for mine, other in zip(*fates, strict=False)]
    return Threads(tuple(sorted(problems)[:4]), not problems and (all(alike) if per_call else any(alike)))
