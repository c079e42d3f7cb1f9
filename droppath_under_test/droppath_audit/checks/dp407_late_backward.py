"""DP407 late-backward: a backward pass may come late and twice, and leaves the generators as they were.

What it checks
    In every dtype, at drop_prob 0.5: after a forward pass the layer is called once more, which draws other numbers, and
    then comes the backward pass of the first. Its gradient must have the mask of its own forward pass, and the state of
    the framework's generator must be the same after it as before. A second backward pass through the same graph, where
    the framework can keep one (torch: ``retain_graph=True``), must give the same gradient, bit for bit; one that it
    refuses is not judged.
Why it matters
    Gradients are accumulated over several calls, two losses share a forward pass, and in a network other layers draw
    between a layer's forward and its backward pass. What rewinds the generator in the backward pass gives the next
    layers, or the next step, masks that were there before.
How to fix
    Save the mask of the call in its own context, and write to nothing that was saved. Where the mask is drawn again in
    the backward pass, do so with a generator of its own, or put the state back as it was found.
Seen in
    Backward passes that save the state of the generator in place of the mask, and set it without putting it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, Generators, has
from droppath_audit.frameworks.manners import RetainedGraphs
from droppath_audit.probes.gradients import apart, gradient_of, require_gradient
from droppath_audit.probes.wrapped import CalledBetween

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

# 64 decisions a call, or a call each, at drop_prob 0.5: another mask agrees by chance once in 2^64.
DECISIONS, DROP_PROB = 64, 0.5
LATE, MOVED, TWICE = "late", "moved", "twice"


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        shape: Of x.
        asked: What was asked: ``late``, ``moved``, ``twice``.
        fault: What was wrong first; empty where nothing was.
        observed: The same in words.
    """

    shape: tuple[int, ...]
    asked: tuple[str, ...] = ()
    fault: str = ""
    observed: str = ""


class LateBackward(Check[Seen, DtypeCase]):
    where = Dtypes()
    driven = "its backward pass must wait for other calls"
    needs = (Autograd,)
    mutants = ("rewinds_in_its_backward_pass", "scales_its_mask_in_the_backward_pass", "RemembersItsLastMask")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Run a backward pass after another call, then two through one graph."""
        shape = probe.shape(1 if probe.at.per_call else DECISIONS)
        x = probe.ones(shape)
        require_gradient(probe.target, DROP_PROB, x)
        state, asked = _state_of(probe), [LATE]
        asked += [MOVED] if state else []
        for _ in range(_calls(probe.at)):
            fault, observed = _late(probe, x, state)
            again = None if fault else _twice(probe, x)
            if again is not None:
                asked += [TWICE] if TWICE not in asked else []
                fault, observed = (TWICE, again) if again else ("", "")
            if fault:
                return Seen(shape, tuple(asked), fault, observed)
        return Seen(shape, tuple(asked))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single gradient of another mask or value, or a generator that moved."""
        if seen.fault:
            return Verdict.failed(
                seen.observed, promised="the gradient of its own forward pass, and no generator moves"
            )
        said = {LATE: "after another call", MOVED: "without moving the generator", TWICE: "twice alike"}
        return Verdict.passed(f"the gradient comes {', '.join(said[one] for one in seen.asked)}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Let another call come between, or run the backward pass twice."""
        script.layer(DROP_PROB)
        with script.under(f"for _ in range({_calls(at)}):"):
            script.ones(seen.shape)
            if seen.fault == MOVED:
                script.track()
                script.run(DROP_PROB)
                script.next_numbers("untouched")
                script.next_numbers("after", script.spell.backward("y"))
                script.add("print(untouched, after, sep='\\n')", "assert (after == untouched).all(), 'it moved'")
            elif seen.fault == TWICE:
                script.track()
                script.run(DROP_PROB)
                script.add(script.spell.backward_retained("y"))
                script.read_gradient()
                script.add("first = gradient.copy()", script.spell.backward("y"))
                script.read_gradient()
                script.add(
                    "print('twice the first gradient in', (gradient == 2 * first).sum(), 'of', first.size, 'elements')",
                    "assert (gradient == 2 * first).all(), 'the second pass adds another gradient'",
                )
            else:
                script.differentiate(DROP_PROB, script.call(DROP_PROB))
                script.same_mask(script.array("y"))


class _Watched(CalledBetween):
    """A layer that is called again, after which the state of the generator is noted.

    Args:
        layer: The layer.
        state: Reads it.
    """

    def __init__(self, layer: Layer, state: Callable[[], bytes] | None) -> None:
        super().__init__(layer)
        self._state = state

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the output of the first call."""
        y = super().__call__(x, training=training)
        self.noted = self._state() if self._state else b""
        return y


def _calls(at: DtypeCase) -> int:
    return DECISIONS if at.per_call else 1


def _state_of(probe: LiveProbe[DtypeCase]) -> Callable[[], bytes] | None:
    """Return what reads the state of the framework's generators; None where it cannot be read."""
    generators = has(probe.framework, Generators)
    if generators is None:
        return None
    state = partial(generators.generator_state, probe.at.device)
    try:
        state()
    except NotApplicable:
        return None
    return state


def _late(probe: LiveProbe[DtypeCase], x: Tensor, state: Callable[[], bytes] | None) -> tuple[str, str]:
    """Return what is wrong with a backward pass that another call comes before: its kind, and in words."""
    layer = _Watched(probe.make(DROP_PROB), state)
    try:
        result = gradient_of(probe.target, layer, x, x)
    except TargetRaised as error:
        return LATE, f"after another call the backward pass raised {error}"
    moved = state is not None and state() != layer.noted
    if result.gradient is None:
        return LATE, f"after another call {result.reason}"
    wrong = apart(probe.target, result)
    if wrong.any():
        return LATE, f"after another call, {wrong.sum()} of {wrong.size} decisions of the gradient are not the output's"
    return (MOVED, "the backward pass moved the framework's generator") if moved else ("", "")


def _twice(probe: LiveProbe[DtypeCase], x: Tensor) -> str | None:
    """Return what is wrong with a second backward pass through one graph; None where there is none to be had."""
    graphs = has(probe.framework, RetainedGraphs)
    try:
        gradients = graphs.backward_twice(probe.make(DROP_PROB), x, x) if graphs else None
    except TargetRaised:
        return None  # what frees, or counts, its own graph is refused by the framework's rules, not by ours
    if gradients is None:
        return None
    first, second = map(probe.framework.numpy, gradients)
    wrong = ~((first == second) | (np.isnan(first) & np.isnan(second)))
    if not wrong.any():
        return ""
    where = tuple(np.argwhere(wrong)[0])
    return (
        f"a second backward pass gives another gradient in {wrong.sum()} of {wrong.size} elements, such as "
        f"{second[where]:.6g} after {first[where]:.6g}"
    )
