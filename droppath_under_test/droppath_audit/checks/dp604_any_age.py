"""DP604 any-age: after hundreds of switches and a hundred thousand calls a layer does what a fresh one does.

What it checks
    A layer is switched 1,000 times (500 at quick effort) between training and evaluation, with a call each time, and
    then called 100,000 times on one sample (8,192 at quick effort), or as often as a second allows; the result says how
    often. After the switches, and whenever the number of calls has doubled, it is looked at: training must drop some of
    64 samples and keep some (all are alike by chance once in 2^63), scale what it keeps, and, where a seed fixes the
    masks, give bit for bit what a fresh layer gives with that seed; evaluation must give x.
Why it matters
    A run has millions of calls and thousands of switches. What counts calls and overflows, fills a table, or gives up
    after a while, is right in every test that is shorter, and wrong for the rest of the run.
How to fix
    Count nothing in the layer; keep drop_prob as the only state, and compute everything from it in each forward pass.
Seen in
    Counters in buffers of 16 bits; rules that stop after so many steps, which evaluation and recomputation count too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.fuzz.oracle import Asked, Violation, output_violations
from droppath_audit.fuzz.showing import broken_promise
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, DECISIONS = 0.5, 64
SWITCHES, FIRST = (500, 1000, 1000), 64  # FIRST switches, or twice as many calls, after which it is looked at first
CALLS = (2**13, 100_000, 100_000)  # at quick, standard and thorough effort
SECONDS = (0.5, 0.8, 0.8)  # of processor time that ageing takes at most
ALIKE = "alike"


@dataclass(frozen=True)
class Age:
    """What was done to a layer: switches of its mode with a call after each, then calls in training."""

    switches: int = 0
    calls: int = 0

    def __str__(self) -> str:
        said = [f"{self.switches} switches of mode"] * bool(self.switches) + [f"{self.calls} calls"] * bool(self.calls)
        return " and ".join(said) or "its construction"


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        age: That was reached, or at which something was wrong.
        late: Whether time ended it.
        repeatable: Whether a seed fixes the masks of fresh layers.
        features: Features of x.
        found: What was wrong.
        training: In which mode.
        seed: Under which seed.
    """

    age: Age
    late: bool
    repeatable: bool
    features: tuple[int, ...]
    found: tuple[Violation, ...] = ()
    training: bool = True
    seed: int = 0


class AnyAge(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # no dtype ages
    driven = "it must be called again and again"
    lengthy = True
    broad = True
    mutants = (
        "TiresOfSwitches",
        "CountsInSixteenBits",
        "DropsAllOnceOld",
        "LosesItsFactorOnceOld",
        "OneDecisionOnceOld",
        "DropsLessOnceOld",
        "DropsInEvaluationOnceOld",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Switch and call, and look at every age that is twice the one before."""
        looking, effort = _Looking(probe), probe.at.effort
        layer = looking.layer
        if (found := looking.found(layer))[0]:
            raise NotApplicable(f"a fresh layer breaks its promises already (see DP601): {found[0][0].text}")
        x, deadline = probe.ones((1, *looking.features)), time.process_time() + effort.pick(*SECONDS)
        switches = calls = 0
        most, most_switches, late = effort.pick(*CALLS), effort.pick(*SWITCHES), False

        def seen(found: tuple[tuple[Violation, ...], bool, int]) -> Seen:
            return Seen(Age(switches, calls), late, looking.repeatable, looking.features, *found)

        next_look = FIRST
        while probe.target.evaluates and switches < most_switches and not late:
            for training in (False, True):
                layer(x, training=training)
            switches, late = switches + 2, time.process_time() > deadline
            if switches >= next_look or switches == most_switches:
                next_look *= 4
                if (found := looking.found(layer))[0]:
                    return seen(found)
        next_look = 2 * FIRST
        while calls < most and not late:
            layer(x, training=True)
            calls, late = calls + 1, time.process_time() > deadline
            if calls in (next_look, most) or late:
                next_look *= 2
                if (found := looking.found(layer))[0]:
                    return seen(found)
        probe.clock.stopped |= late
        return seen(((), True, 0))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where the layer is not what it was."""
        if seen.found:
            mode = "training" if seen.training else "evaluation"
            return Verdict.failed(
                f"after {seen.age}, in {mode}: {seen.found[0].text}", promised="what a fresh layer does"
            )
        late = ", when time was up" if seen.late else ""
        return Verdict.passed(f"as new after {seen.age}{late}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Age the layer, and look."""
        kind, p, training = seen.found[0].kind, DROP_PROB, seen.training
        calls, batch = (DECISIONS, 1) if at.per_call else (1, DECISIONS)
        shape = (batch, *seen.features)
        script.layer(p)
        script.spend()
        script.ones((1, *seen.features))
        if seen.age.switches:
            with script.under(f"for _ in range({seen.age.switches // 2}):"):
                for mode in (False, True):
                    script.switch(p, training=mode)
                    script.add(script.call(p, training=mode))
        if seen.age.calls:
            with script.under(f"for _ in range({seen.age.calls}):"):
                script.add(script.call(p))
        script.switch(p, training=training)
        if kind == ALIKE:
            script.ones(shape)
            script.add(
                f"ys = np.array([{script.array(script.call(p))} for _ in range({calls})])",
                "print('kept', (ys != 0).sum(), 'of', ys.size)",
                "assert (ys != 0).any() and (ys == 0).any(), 'all meet one fate'",
            )
            return
        script.random(shape)
        if kind == "written":
            script.add(f"before = {script.array('x')}.copy()")
        if kind != "fresh":
            with script.under(f"for _ in range({calls}):"):
                script.run(p, training=training)
                broken_promise(kind, p, at.dtype, script)
            return
        # In several calls: the fresh layer decides alike by chance in one.
        script.add("aged = layer", "alike = True")
        script.layer(p, training=training)
        script.add("fresh = layer")
        with script.under(f"for seed in range({DECISIONS}):"):
            script.add("outputs = []")
            with script.under("for layer in (aged, fresh):"):
                script.add(script.seed("seed"), f"outputs.append({script.array(script.call(p, training=training))})")
            script.add("alike &= outputs[0].tobytes() == outputs[1].tobytes()")
        script.add("assert alike, 'a fresh layer gives something else'")


class _Looking:
    """Looks at a layer: by its law, and beside a fresh one.

    Attributes:
        features: Of x.
        layer: The one that ages.
        repeatable: Whether a seed fixes the masks of fresh layers.
    """

    def __init__(self, probe: LiveProbe[DtypeCase]) -> None:
        self._probe, self._framework, self._target = probe, probe.framework, probe.target
        self.features = probe.features()
        per_call = probe.at.per_call
        self._calls, self._batch = (DECISIONS, 2) if per_call else (1, DECISIONS)
        self.layer, self._fresh = probe.make(DROP_PROB), probe.make(DROP_PROB)
        self.repeatable = self._alike(probe.make(DROP_PROB), 1, training=True)

    def found(self, layer: Layer) -> tuple[tuple[Violation, ...], bool, int]:
        """Return what is wrong with a layer, in which mode, and under which seed."""
        seed = int(self._probe.rng.integers(2**31))
        for training in self._probe.modes:
            try:
                found = self._look(layer, seed, training=training)
            except TargetRaised as error:
                found = [Violation("raised", f"raised {error}")]
            if found:
                return tuple(found), training, seed
        return (), True, seed

    def _look(self, layer: Layer, seed: int, *, training: bool) -> list[Violation]:
        target, framework = self._target, self._framework
        framework.seed(seed)
        fates: list[npt.NDArray[np.bool_]] = []
        for _ in range(self._calls):
            x = self._x()
            asked = Asked(x, framework.numpy(x), framework.bits(x))
            y = layer(x, training=training)
            if found := output_violations(target, asked, y, DROP_PROB, training=training):
                return found
            fates.append(framework.kept(y, self._batch)[: 1 if self._probe.at.per_call else None])
        if training and len({bool(fate) for fate in np.concatenate(fates)}) < 2:
            fate = "kept" if fates[0][0] else "dropped"
            return [Violation(ALIKE, f"all of {DECISIONS} decisions are alike: {fate}")]
        if self.repeatable and not self._alike(layer, seed, training=training):
            return [Violation("fresh", "the output is not that of a fresh layer with the same seed")]
        return []

    def _alike(self, layer: Layer, seed: int, *, training: bool) -> bool:
        """Return whether a layer gives what a fresh one gives under the same seed, in as many calls as tell."""
        outputs, x = [], self._x()
        for one in (layer, self._fresh):
            self._framework.seed(seed)
            outputs.append([self._framework.bits(one(x, training=training)) for _ in range(self._calls)])
        return all(np.array_equal(first, second) for first, second in zip(*outputs, strict=True))

    def _x(self) -> Tensor:
        return self._probe.tensor(moderate(self._probe.rng, (self._batch, *self.features), self._probe.dtype))
