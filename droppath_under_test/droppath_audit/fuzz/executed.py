"""What a layer is asked where it is compiled or captured: a few calls, each judged by the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import EAGER
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.fuzz.oracle import Asked, Violation, gradient_violations, output_violations
from droppath_audit.fuzz.showing import broken_promise
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.case import DtypeCase
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer, Target
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, BATCH = 0.5, 64  # masks of 64 samples are alike by chance once in 2^64
PER_CALL = 64  # calls that are one decision each
ALIKE, FATE, IDLE, EVALUATED, TWINS, RAISED = "alike", "fate", "idle", "evaluated", "twins", "raised"
"""What is wrong beside the oracle's kinds: all calls have the same mask · all samples of a call meet one fate · nothing
is dropped in training after an evaluation · what evaluation gives · two calls in one graph have the same mask · it
raises."""


def broken(probe: LiveProbe[DtypeCase]) -> tuple[Violation, ...]:
    """Return what a layer breaks as it runs here and not as it is written, one of each kind.

    Args:
        probe: Drives it.

    Raises:
        NotApplicable: If the framework does not run it in this way.
    """
    here = _all(probe, probe.target)
    if not here:
        return ()
    plainly = {one.kind for one in _all(probe, probe.target.executed(EAGER))}
    return tuple(one for one in here if one.kind not in plainly)


def show(one: Violation, script: LiveScript, features: tuple[int, ...]) -> None:
    """Write what fails where this is broken."""
    shape, p = (BATCH, *features), DROP_PROB
    calls = PER_CALL if script.at.per_call else 2
    script.layer(p, training=one.kind != EVALUATED)
    script.ones(shape)
    if one.kind == EVALUATED:
        with script.must_not_raise("in evaluation it raises"):
            script.run(p, training=False)
        script.add(f"xs, ys = {script.array('x')}, {script.array('y')}", f"keeps = {_evaluated(script)!r}")
        script.add("print(np.unique(ys))", "assert np.allclose(ys, keeps * xs, rtol=1e-6)")
    elif one.kind in (ALIKE, FATE, IDLE):
        if one.kind == IDLE:
            script.switch(p, training=False)
            script.add(script.call(p, training=False))
            script.switch(p, training=True)
        script.add(f"ys = [{script.array(script.call(p))} for _ in range({calls})]")
        script.add(f"fates = [(y != 0).reshape({BATCH}, -1)[:, 0].tolist() for y in ys]", "print(fates[0])")
        script.add(
            "assert any(one != fates[0] for one in fates), 'all calls have the same mask'"
            if one.kind == ALIKE
            else "assert any(len(set(one)) > 1 for one in fates), 'all samples meet one fate'"
            if one.kind == FATE
            else "assert any(False in one for one in fates), 'nothing is dropped'"
        )
    elif one.kind == TWINS:
        with script.under("def both(x, run=run):"):
            script.add(f"return {script.call(p)}, {script.call(p)}")
        script.add(*script.spell.running(script.at.variant, "both").splitlines())
        script.track()
        script.add(
            f"pairs = [run(x) for _ in range({calls - 1})]",
            "same = [bool((one == other).all()) for one, other in pairs]",
            "assert not all(same), 'two calls in one graph have the same mask'",
        )
    elif one.kind == "gradient":
        script.differentiate(p)
        broken_promise(one.kind, p, script.at.coordinates["dtype"], script)  # type: ignore[arg-type]
    else:
        with script.must_not_raise("it raises"):
            script.run(p)
        if one.kind == "written":
            script.add(f"assert ({script.array('x')} == 1).all(), 'x was written to'")
        else:
            broken_promise(one.kind, p, script.at.coordinates["dtype"], script)  # type: ignore[arg-type]


def _evaluated(script: LiveScript) -> float:
    return 1.0 - DROP_PROB if script.at.dialect.scaling == "eval" else 1.0


def _all(probe: LiveProbe[DtypeCase], target: Target) -> list[Violation]:
    """Return what is broken, one of each kind, in the order in which it is asked."""
    found: dict[str, Violation] = {}
    asking = _Asking(probe, target)
    questions: list[Callable[[], Iterator[Violation]]] = [asking.training]
    questions += [asking.evaluation] if target.evaluates else []
    questions += [asking.gradient] if has(target.framework, Autograd) is not None else []
    compiles = probe.target.way is not None and probe.target.way.compiles
    # One key decides one mask, wherever it is used.
    questions += [asking.twice] if compiles and not target.keyed and has(target.framework, Autograd) is not None else []
    for question in questions:
        try:
            for one in question():
                found.setdefault(one.kind, one)
        except TargetRaised as error:
            found.setdefault(RAISED, Violation(RAISED, f"raised {error}"))
        except NotApplicable:
            if question == asking.training:
                raise
    return list(found.values())


class _Asking:
    """Asks one layer."""

    def __init__(self, probe: LiveProbe[DtypeCase], target: Target) -> None:
        self._probe, self._target, self._framework = probe, target, target.framework
        self._shape = (BATCH, *probe.features(wide=True))
        self._layer: Layer = target.make(DROP_PROB)
        self._calls = PER_CALL if probe.at.per_call else 2

    def training(self) -> Iterator[Violation]:
        """Ask for values, for masks that are fresh, and for decisions of each sample."""
        yield from self._outputs(training=True)
        fates = self._fates()
        if all(one == fates[0] for one in fates):
            yield Violation(ALIKE, f"all of {len(fates)} calls have the same mask")
        if not self._probe.at.per_call and all(len(set(one)) == 1 for one in fates):
            yield Violation(FATE, f"all of {BATCH} samples meet one fate")

    def evaluation(self) -> Iterator[Violation]:
        """Ask for x in evaluation, and for drops in training after it."""
        for one in self._outputs(training=False):
            yield Violation(EVALUATED, f"in evaluation: {one.text}")
            break
        if not any(False in one for one in self._fates()):
            yield Violation(IDLE, "in training, after a call in evaluation, nothing is dropped")

    def gradient(self) -> Iterator[Violation]:
        """Ask for the gradient of what was kept, and of nothing else."""
        x = self._framework.ones(self._shape, self._probe.dtype, self._probe.at.device)
        seed = int(self._probe.rng.integers(2**32))
        yield from gradient_violations(self._target, self._layer, x, DROP_PROB, seed)

    def twice(self) -> Iterator[Violation]:
        """Ask for two calls in one graph, as two layers of a network are, that is differentiated."""
        layer, way, calls = self._target.make(DROP_PROB), self._target.way, self._calls - 1
        if way is not None:
            way.twice = True
        try:
            pairs = [self._pair(layer) for _ in range(calls)]
        finally:
            if way is not None:
                way.twice = False
        if all(first == second for first, second in pairs):
            yield Violation(TWINS, "two calls in one graph have the same mask")

    def _pair(self, layer: Layer) -> tuple[list[bool], list[bool]]:
        """Return the decisions of a call with one half of the samples, and of one with the other."""
        shape = self._shape if self._target.way is None else (2 * BATCH, *self._shape[1:])
        ones = self._framework.ones(shape, self._probe.dtype, self._probe.at.device)
        outputs = [gradient_of(self._target, layer, ones, ones).output for _ in range(2 * BATCH // shape[0])]
        kept = [one for output in outputs for one in self._framework.kept(output, shape[0]).tolist()]
        return kept[:BATCH], kept[BATCH:]

    def _fates(self) -> list[list[bool]]:
        return [self._fate() for _ in range(self._calls)]

    def _fate(self) -> list[bool]:
        x = self._framework.ones(self._shape, self._probe.dtype, self._probe.at.device)
        kept: list[bool] = self._framework.kept(self._layer(x, training=True), BATCH).tolist()
        return kept

    def _outputs(self, *, training: bool) -> list[Violation]:
        x: Tensor = self._probe.tensor(moderate(self._probe.rng, self._shape, self._probe.dtype))
        asked = Asked(x, np.array(self._framework.numpy(x)), self._framework.bits(x).copy())
        y = self._layer(x, training=training)
        return output_violations(self._target, asked, y, DROP_PROB, training=training)
