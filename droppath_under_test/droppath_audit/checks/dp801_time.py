"""DP801 time: a layer takes about the time of the reference.

What it checks
    Only where it is asked for (``--benchmark``): the time of a call in training at p = 0.5, and of a call with its
    backward pass, for batches of many small samples, of tokens and of images. The reference, the rule of timm (a mask
    of x's dtype, drawn by ``bernoulli_``, divided by the keep probability and multiplied with x) and the bare product
    with a mask that is there already are timed beside it, in turn, in one run; the least of all rounds counts. That it
    takes ten times as long as the reference is told as broken, which fails nothing.
Why it matters
    Stochastic depth stands in every block of a network, and multiplies. A layer that walks over the samples, or that
    waits for the device, may cost more than the branch that it drops.
How to fix
    Draw the mask of all samples by one operation, in shape (B, 1, 1, …), and multiply once.
Seen in
    Layers that decide in a loop over the batch, and put the samples together again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.case import DtypeCase, on_the_cpu
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.quantities import told_seconds
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.frameworks.costs import Costs
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB = 0.5
SMALL = ((16_384, 1), (16, 197, 192), (8, 64, 56, 56))
LARGE = ((65_536, 1), (64, 197, 192), (32, 64, 56, 56))
ROUNDS, FEWEST = 20, 3
SHARE = 0.7  # of the time of a trial, for all that is measured
LONGEST = 2.0  # seconds for a shape, from which on a further round tells nothing
LIMIT = 10.0  # times the reference
TARGET, MULTIPLY = "target", "bare multiply"
FORWARD, BOTH = "forward", "forward and backward"


@dataclass(frozen=True)
class CallTimes:
    """Seconds of one call.

    Attributes:
        shape: Of x.
        passes: ``forward``, or ``forward and backward``.
        seconds: The least of all rounds, by who was timed: ``target``, the yardsticks, ``bare multiply``.
    """

    shape: tuple[int, ...]
    passes: str
    seconds: dict[str, float]

    def ratio(self, other: str) -> float:
        """Return how many times as long as another the target takes."""
        return self.seconds[TARGET] / self.seconds[other]


@dataclass(frozen=True)
class Seen:
    """What was timed, and what else is compared with than the bare product."""

    rows: tuple[CallTimes, ...]
    yardsticks: tuple[str, ...]


class Time(Check[Seen, DtypeCase]):
    level = Level.INFO
    where = Dtypes(("float32", "bfloat16"))
    driven = "its calls must be timed"
    needs = (Costs,)
    benchmark = True
    lengthy = True
    mutants = ("stacks_sample_by_sample",)

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Time the target and the others in turn."""
        if probe.target.runs_branch:
            raise NotApplicable("it runs its branch itself, which is what takes the time (see DP804)")
        costs = probe.ask(Costs)
        granularity = probe.at.dialect.granularity
        specs = {name: spec.format(granularity=granularity) for name, spec in costs.yardsticks.items()}
        others = {name: probe.beside(spec).make(DROP_PROB) for name, spec in specs.items()}
        both = [FORWARD] + [BOTH] * (has(probe.framework, Autograd) is not None)
        shapes, rows = _shapes(probe), list[CallTimes]()
        each = min(LONGEST, SHARE * probe.clock.left / (len(shapes) * len(both)))
        for shape in shapes:
            for passes in both:
                calls = _calls(probe, others, shape, passes)
                try:
                    rows.append(CallTimes(shape, passes, _least(calls, lambda: costs.wait(probe.at.device), each)))
                except TargetRaised:
                    continue  # what shapes it takes, other checks say
        if not rows:
            raise NotApplicable("the target takes none of the shapes that are timed")
        return Seen(tuple(rows), tuple(others))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Tell ratios; what is many times as slow as the reference is told as broken."""
        observed = "; ".join(_told(row, seen.yardsticks) for row in seen.rows)
        slow = _slowest(seen)
        if slow.ratio(seen.yardsticks[0]) > LIMIT:
            return Verdict.failed(
                f"{_told(slow, seen.yardsticks)}; all: {observed}",
                promised=f"at most {LIMIT:g} times the time of the {seen.yardsticks[0]}",
            )
        return Verdict.passed(observed)

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Time a call beside a draw, a comparison and a product."""
        shape = _slowest(seen).shape
        script.imports("import time")
        script.layer(DROP_PROB)
        script.random(shape)
        drawn = shape if at.dialect.granularity == "element" else (shape[0], *[1] * (len(shape) - 1))
        draw = script.spell.random(repr(drawn), at.dtype, repr(at.device))
        with script.under("def least(call):"):
            script.add("found = []")
            with script.under("for _ in range(5):"):
                script.add("start = time.perf_counter()", "call()", "found.append(time.perf_counter() - start)")
            script.add("return min(found)")
        script.add(
            f"mine = least(lambda: {script.call(DROP_PROB)})",
            f"plain = least(lambda: x * ({draw} > 0))",
            "print('seconds:', mine, 'of a draw and a product:', plain)",
            f"assert mine <= {LIMIT:g} * plain",
        )


def _shapes(probe: LiveProbe[DtypeCase]) -> tuple[tuple[int, ...], ...]:
    if probe.target.fixed_shape is not None:
        return (probe.declared(64),)
    small = on_the_cpu(probe.at.device) and probe.at.effort.name != "thorough"
    return tuple(shape for shape in (SMALL if small else LARGE) if probe.target.takes(shape))


def _calls(
    probe: LiveProbe[DtypeCase], others: Mapping[str, Any], shape: tuple[int, ...], passes: str
) -> dict[str, Callable[[], object]]:
    """Return calls by who makes them, the target first."""
    framework = probe.framework
    x = probe.tensor(moderate(probe.rng, shape, probe.dtype))
    decided = probe.rng.random((shape[0], *[1] * (len(shape) - 1))) < 0.5
    mask = probe.tensor(np.where(decided, 2.0, 0.0))

    def multiply(x: Tensor, **_mode: bool) -> Tensor:
        return framework.multiply(x, mask)

    timed = {TARGET: probe.make(DROP_PROB), **others, MULTIPLY: multiply}
    if passes == FORWARD:
        return {name: _forward(layer, x) for name, layer in timed.items()}
    autograd, cotangent = probe.ask(Autograd), probe.ones(shape)
    return {name: _backward(autograd, layer, x, cotangent) for name, layer in timed.items()}


def _forward(layer: Any, x: Tensor) -> Callable[[], object]:
    return lambda: layer(x, training=True)


def _backward(autograd: Autograd, layer: Any, x: Tensor, cotangent: Tensor) -> Callable[[], object]:
    return lambda: autograd.gradient(layer, x, cotangent)


def _least(calls: Mapping[str, Callable[[], object]], wait: Callable[[], None], most: float) -> dict[str, float]:
    """Return the least seconds of each call, all of them made in turn, for so many seconds or ``ROUNDS``."""
    found, began, order = dict.fromkeys(calls, inf), time.perf_counter(), [*calls.items()]
    for number in range(ROUNDS):
        if number >= FEWEST and time.perf_counter() - began > most:
            break
        order = order[1:] + order[:1]  # what runs after what is part of a time
        for name, call in order:
            wait()
            start = time.perf_counter()
            call()
            wait()
            found[name] = min(found[name], time.perf_counter() - start)
    return found


def _slowest(seen: Seen) -> CallTimes:
    return max(seen.rows, key=lambda row: row.ratio(seen.yardsticks[0]))


def _told(row: CallTimes, yardsticks: tuple[str, ...]) -> str:
    ratios = ", ".join(f"{row.ratio(name):.3g} × {name}" for name in (*yardsticks, MULTIPLY))
    return f"{row.passes} of {list(row.shape)}: {told_seconds(row.seconds[TARGET])}, {ratios}"
