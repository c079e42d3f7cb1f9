"""DP504 thread-and-process: threads, forked workers and ranks that are seeded apart share no mask and break nothing.

What it checks
    In a thread other than the one that constructed the layer, alone, training drops some samples and scales the others,
    the gradient has their mask and factor, and evaluation gives x: wrong values are a broken MUST, all that follows a
    broken SHOULD.
    Three forks of the process, as data-loader workers and launched ranks are, seed the framework, two alike and one
    differently, and call a layer that had been called before: masks are equal where seeds are and differ where seeds
    do. Without a seed of its own a fork repeats its parent's numbers, in torch as anywhere; that is not a fault. Then
    two threads call one layer with different batches, handing over after every line of Python: each output must be
    made of its own x, with every unit whole, and the masks of the threads must differ. Nothing may raise, and all must
    end within six seconds.
Why it matters
    Ranks that drop the same samples halve the randomness of a step without a sign of it. A layer that keeps its mask,
    or the shape of its input, on itself gives one user's numbers to another where a server calls it in threads. One
    that knows its own thread is right in every test, and does nothing where replicas are run in threads of their own.
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
from droppath_audit.frameworks.capabilities import Autograd, Forking, has
from droppath_audit.fuzz.oracle import Asked, Violation, gradient_violations, output_violations, training_violations
from droppath_audit.fuzz.showing import broken_promise
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
ALIKE = "alike"
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
class Elsewhere:
    """What came of one thread that did not construct the layer: what broke there, and in which mode."""

    found: tuple[Violation, ...] = ()
    training: bool = True


@dataclass(frozen=True)
class Seen:
    """What came of forks, of threads (not tried where a fork hung), and the features of a sample."""

    processes: Processes
    threads: Threads | None
    features: tuple[int, ...]
    elsewhere: Elsewhere = Elsewhere()


class ThreadAndProcess(Check[Seen, DtypeCase]):
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
        "IdleInOtherThreads",
        "DropsInEvaluationOfOtherThreads",
        "ScalesInItsOwnThreadAlone",
        "LosesTheGradientInOtherThreads",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Run a layer in three forks, where the device allows that, and in two threads."""
        layer, shape = probe.make(DROP_PROB), probe.shape(DECISIONS, wide=True)
        # What a layer prepares in its first call is there before the fork.
        layer(probe.ones(shape), training=True)
        processes = _processes(probe, layer)
        hangs = any("in time" in problem for problem in processes.problems)
        threads = None if hangs else _threads(probe, layer)
        hangs |= threads is not None and any("in time" in problem for problem in threads.problems)
        # Last: a thread that has ended leaves its number to the next one.
        return Seen(processes, threads, shape[1:], Elsewhere() if hangs else _elsewhere(probe, layer))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where processes or threads share masks, do not follow their seed, or come in each other's way."""
        processes, threads = seen.processes, seen.threads
        if seen.elsewhere.found:
            mode = "training" if seen.elsewhere.training else "evaluation"
            return Verdict.failed(
                f"in a thread that did not construct the layer, in {mode}: {seen.elsewhere.found[0].text}",
                promised="the values that it gives in the thread that constructed it",
            )
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
            promised = "masks of their own, from the framework's seed"
            return Verdict.failed("; ".join(observed), promised=promised, level=Level.SHOULD)
        forks = processes.hazard or "masks of three forks follow their seeds"
        return Verdict.passed(f"{forks}; two threads have masks of their own")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Fork, or take turns in threads, as the check did."""
        batch, calls = (1, DECISIONS) if at.per_call else (DECISIONS, CALLS)
        if seen.elsewhere.found:
            _show_elsewhere(seen, batch, at, script)
            return
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


def _skipped(framework: str) -> tuple[str, ...]:
    """Return the beginnings of the names of modules whose lines are no turns."""
    return (spelling_of(framework).own, *OURS)


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


def _elsewhere(probe: LiveProbe[DtypeCase], layer: Layer) -> Elsewhere:
    """Return what is wrong in a thread that did not construct the layer; what is wrong here is other checks' to say."""
    target, framework = probe.target, probe.framework
    batch, calls = (2, DECISIONS) if probe.at.per_call else (DECISIONS, 1)
    x = probe.tensor(moderate(probe.rng, probe.shape(batch, wide=True), probe.dtype))
    asked = Asked(x, framework.numpy(x), framework.bits(x))
    seed = int(probe.rng.integers(2**31))

    def looked(training: bool) -> tuple[Violation, ...]:
        fates = set[bool]()
        for _ in range(calls):
            y = layer(x, training=training)
            if found := output_violations(target, asked, y, DROP_PROB, training=training):
                return tuple(found)
            fates |= set(framework.kept(y, batch).tolist())
        if training and len(fates) < 2:
            return (Violation(ALIKE, f"all of {DECISIONS} decisions are alike"),)
        if training and has(framework, Autograd) is not None:
            return tuple(gradient_violations(target, layer, x, DROP_PROB, seed))
        return ()

    for training in probe.modes:
        (elsewhere,) = in_threads([partial(looked, training)], SECONDS, _skipped(framework.name))
        if elsewhere.value and not looked(training):
            return Elsewhere(elsewhere.value, training)
    return Elsewhere()


def _show_elsewhere(seen: Seen, batch: int, at: DtypeCase, script: LiveScript) -> None:
    """Call in a thread of its own, and look at what comes of that."""
    training, kind = seen.elsewhere.training, seen.elsewhere.found[0].kind
    script.imports("import threading")
    script.layer(DROP_PROB, training=training)
    script.random((batch, *seen.features))
    if kind == "written":
        script.add(f"before = {script.array('x')}.copy()")
    if kind == "gradient":
        script.track()
    script.add("ys = []")
    with script.under("def run():"):
        script.add("global y")
        with script.under(f"for _ in range({DECISIONS if at.per_call else 1}):"):
            script.run(DROP_PROB, training=training)
            script.add(f"ys.append({script.array('y')})")
    script.add("thread = threading.Thread(target=run, daemon=True)", "thread.start()", "thread.join(10)")
    if kind == ALIKE:
        script.add("kept = np.array(ys) != 0", "assert kept.any() and not kept.all(), 'all meet one fate'")
        return
    if kind == "gradient":
        script.backward()
        script.read_gradient()
    broken_promise(kind, DROP_PROB, at.dtype, script)


def _threads(probe: LiveProbe[DtypeCase], layer: Layer) -> Threads:
    framework, per_call = probe.framework, probe.at.per_call
    batches, calls = ((2, 3), DECISIONS) if per_call else (BATCHES, CALLS)
    inputs = [moderate(probe.rng, probe.shape(batch, wide=True), probe.dtype) for batch in batches]

    def outputs(x: Tensor) -> list[npt.NDArray[np.float64]]:
        return [framework.numpy(layer(x, training=True)) for _ in range(calls)]

    actions = [partial(outputs, probe.tensor(values)) for values in inputs]
    ran = in_threads(actions, SECONDS, _skipped(framework.name))
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
