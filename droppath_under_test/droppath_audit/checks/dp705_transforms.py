"""DP705 transforms: under transforms of functions a layer does what it does without them.

What it checks
    The layer is mapped over an axis of its own with random numbers for each entry (``vmap``), and called through
    ``functional_call``; at standard effort ``grad`` and ``jvp`` differentiate it, too. Values, and both derivatives,
    must be those of kept and dropped samples; not all entries may have the same mask; and evaluation gives x. A wrong
    derivative is a MUST, since nobody is told. What the framework itself refuses, such as drawing into a tensor that it
    does not map, is not applicable.
Why it matters
    Per-sample gradients, ensembles and meta-learning run models under these transforms. A layer that tests for them
    and then does something else is a layer that drops nothing, or the same samples everywhere, in just that training.
How to fix
    Write the layer in operations of the framework, with random numbers of x's device and shape, and do not ask what
    kind of tensor x is.
Seen in
    Layers that skip their randomness in transforms, where drawing raised in an earlier version of the framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.manners import Transforms
from droppath_audit.fuzz.oracle import Asked, Violation, output_violations, training_violations
from droppath_audit.probes.values import moderate
from droppath_audit.scripts.script import rounding
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, ENTRIES, BATCH = 0.5, 64, 4  # 64 masks are alike by chance once in 2^63
VMAP, FUNCTIONAL, GRAD, JVP = "vmap", "functional_call", "grad", "jvp"
EVALUATED = {VMAP: "vmap in evaluation", FUNCTIONAL: "functional_call in evaluation"}
ALIKE, DERIVATIVE = "alike", "derivative"


@dataclass(frozen=True)
class Way:
    """What came of one transform: what is wrong, its kind, or why it was not asked."""

    name: str
    kind: str = ""
    wrong: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Seen:
    """What came of each transform, and the features of x."""

    ways: tuple[Way, ...]
    features: tuple[int, ...]


class UnderTransforms(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32",))  # the dtype has no part in how functions are transformed
    driven = "its call must be transformed"
    needs = (Transforms,)
    together = "torch's compiler"  # which its derivatives import
    mutants = (
        "idle_in_transforms",
        "one_mask_for_all_entries",
        "refuses_what_is_transformed",
        "passes_every_tangent",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Try each transform; what raises without it as well is other checks' to say."""
        asking = _Asking(probe)
        asking.plainly()
        derivatives = probe.at.effort.pick((), (GRAD, JVP), (GRAD, JVP))
        names = (VMAP, FUNCTIONAL, *derivatives, *(EVALUATED.values() if probe.target.evaluates else ()))
        ways = tuple(_tried(name, asking) for name in names)
        if all(way.refused for way in ways):
            raise NotApplicable(ways[0].refused)
        return Seen(ways, asking.features)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where a single value or derivative is not what it is without the transform."""
        observed = [f"{way.name}: {way.wrong}" for way in seen.ways if way.wrong]
        if observed:
            derived = any(way.kind == DERIVATIVE for way in seen.ways)
            level = Level.MUST if derived else None
            return Verdict.failed("; ".join(observed), promised="what it does without them", level=level)
        asked = ", ".join(way.name for way in seen.ways if not way.refused)
        refused = "; ".join(f"{way.name} not asked: {way.refused}" for way in seen.ways if way.refused)
        return Verdict.passed(f"{asked} as without{f' ({refused})' if refused else ''}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Transform the call, and look at what comes."""
        way = next(way for way in seen.ways if way.wrong)
        evaluated = way.name in EVALUATED.values()
        how = way.name.partition(" ")[0]
        factor, p = multiplier(DROP_PROB, at.dialect.scaling), DROP_PROB
        keeps = 1.0 - p if at.dialect.scaling == "eval" else 1.0
        batch = BATCH if how == VMAP else ENTRIES
        script.layer(p, training=not evaluated)
        script.ones((batch, *seen.features))
        call = script.call(p, training=not evaluated)
        plain = f"plain = {call}"
        with script.must_not_raise(f"under {how} it raises"):
            script.add(plain, script.spell.transformed(how, call, str(ENTRIES)))
        script.add(f"ys = {script.array('y')}", "print(np.unique(ys))")
        if evaluated:
            script.add(f"assert (abs(ys - {keeps!r}) <= {rounding(at.dtype)!r}).all()")
            return
        script.add(f"assert ((ys == 0) | (abs(ys - {factor!r}) <= {rounding(at.dtype)!r} * {factor!r})).all()")
        if how == VMAP and way.kind == ALIKE:
            script.add("assert any((y != ys[0]).any() for y in ys), 'all entries have the same mask'")
        elif way.kind == ALIKE:
            script.add("assert (ys == 0).any() and (ys != 0).any(), 'all meet one fate'")
        elif how in (GRAD, JVP):
            script.add(
                f"derivative = {script.array('derivative')}",
                f"assert (abs(derivative - ys) <= {rounding(at.dtype)!r} * {factor!r}).all()",
            )


def _tried(name: str, asking: _Asking) -> Way:
    try:
        found = asking.way(name)
    except NotApplicable as error:
        return Way(name, refused=str(error))
    except TargetRaised as error:
        return Way(name, "raised", f"raised {error}")
    return Way(name, found[0].kind, found[0].text) if found else Way(name)


class _Asking:
    """Calls a layer under transforms, and compares with its law."""

    def __init__(self, probe: LiveProbe[DtypeCase]) -> None:
        self._probe, self._transforms = probe, probe.ask(Transforms)
        self.features = probe.features(wide=True)
        self._layer = probe.make(DROP_PROB)

    def plainly(self) -> None:
        """Call without any transform.

        Raises:
            NotApplicable: If that breaks a promise, which other checks say.
        """
        x = self._x(BATCH)
        for training in self._probe.modes:
            if found := self._output(x, self._layer(x, training=training), training=training):
                raise NotApplicable(f"without a transform as well, {found[0].text}")

    def way(self, name: str) -> list[Violation]:
        """Return what is wrong under one transform."""
        training, how = name not in EVALUATED.values(), name.partition(" ")[0]
        call = self._call(training=training)
        if how == VMAP:
            return self._mapped(call, training=training)
        x = self._x(ENTRIES)
        if how == FUNCTIONAL:
            self._layer(x, training=training)  # which switches the mode
            y = self._layer.manners().functional(x)
            return self._output(x, y, training=training) or (self._one_fate(y) if training else [])
        direction = self._x(ENTRIES)
        differentiated = self._transforms.with_gradient if how == GRAD else self._transforms.with_tangent
        y, derivative = differentiated(call, x, direction)
        return self._output(x, y, training=True) or self._one_fate(y) or self._derivative(y, derivative, direction)

    def _call(self, *, training: bool) -> Callable[[Tensor], Tensor]:
        return lambda x: self._layer(x, training=training)

    def _x(self, *batch: int) -> Tensor:
        probe = self._probe
        return probe.tensor(moderate(probe.rng, (*batch, *self.features), probe.dtype))

    def _output(self, x: Tensor, y: Tensor, *, training: bool) -> list[Violation]:
        framework = self._probe.framework
        asked = Asked(x, framework.numpy(x), framework.bits(x))
        return output_violations(self._probe.target, asked, y, DROP_PROB, training=training)

    def _one_fate(self, y: Tensor) -> list[Violation]:
        """Return whether all samples met one fate; where a call is one decision, they do."""
        if self._probe.at.per_call or len(set(self._probe.framework.kept(y, ENTRIES).tolist())) > 1:
            return []
        return [Violation(ALIKE, f"all of {ENTRIES} decisions are alike")]

    def _mapped(self, call: Callable[[Tensor], Tensor], *, training: bool) -> list[Violation]:
        framework, entries = self._probe.framework, self._x(ENTRIES, BATCH)
        y = self._transforms.mapped(call, entries)
        if framework.info(y) != framework.info(entries):
            return [Violation("info", f"{framework.info(entries)} became {framework.info(y)}")]
        xs, ys = framework.numpy(entries), framework.numpy(y)
        if not training:
            one = (ENTRIES * BATCH, *self.features)
            both = (self._probe.tensor(values.reshape(one)) for values in (xs, ys))
            return self._output(*both, training=False)
        for one_x, one_y in zip(xs, ys, strict=True):
            if found := training_violations(one_x, one_y, DROP_PROB, self._probe.dtype, self._probe.at.dialect):
                return found
        fates = (ys != 0).reshape(ENTRIES, -1)
        if (fates == fates[0]).all():
            return [Violation(ALIKE, f"all of {ENTRIES} entries have the same mask")]
        return []

    def _derivative(self, y: Tensor, derivative: Tensor, direction: Tensor) -> list[Violation]:
        framework, dialect = self._probe.framework, self._probe.at.dialect
        given, found, dropped = (framework.numpy(tensor) for tensor in (direction, derivative, y))
        if np.any(found[dropped == 0] != 0):
            return [Violation(DERIVATIVE, "a dropped element has a derivative")]
        if np.any(found[dropped != 0] == 0):
            return [Violation(DERIVATIVE, "a kept element has no derivative")]
        wrong = training_violations(given, found, DROP_PROB, self._probe.dtype, dialect)
        return [Violation(DERIVATIVE, f"in the derivative: {violation.text}") for violation in wrong]
