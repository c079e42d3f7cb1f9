"""DP003 mode-switch: train() and eval(), or the training argument, decide: each time, from any parent, and alone.

What it checks
    The mode is switched back and forth, and after every switch the layer must drop, or not drop. This is done on the
    layer itself, on a container two levels above it, starting from either mode, and without gradients, in inference
    mode and under autocast, none of which may change what happens. Whether a layer drops is read off 64 decisions at
    drop_prob 0.5: the probability that a correct one looks wrong is 2^-64 a call.
Why it matters
    A model is switched by one call at its top. A layer that this call does not reach, or that listens to the gradient
    mode instead, gives random predictions in production or no regularisation in training.
How to fix
    Look at self.training in every forward pass, or hand the argument through; keep no copy of the mode, and override
    neither train() nor eval() alone.
Seen in
    Jittor's DropPath, whose mode is a constructor argument that eval() does not reach.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Surroundings, has

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DECISIONS = 64
DROP_PROB = 0.5
SEQUENCES = ((True, False, False, True, True, False, True), (False, True, False, True))


@dataclass(frozen=True)
class WrongMode:
    """A call in the wrong mode: whether the switch was a container's, what it ran under, and every mode set before."""

    nested: bool
    surrounding: str
    modes: tuple[bool, ...]


@dataclass(frozen=True)
class Seen:
    """Calls, those in the wrong mode, and the contexts that were tried."""

    calls: int
    wrong: tuple[WrongMode, ...]
    surroundings: tuple[str, ...]


class ModeSwitch(Check[Seen, DtypeCase]):
    where = Dtypes(("float64",))  # modes know no dtype
    in_variants = Dtypes(("float64",))
    driven = "its mode must be switched"
    mutants = ("ModeOfConstruction", "ModeOfFirstCall", "ModeOfOwnSwitch", "mode_of_gradients", "mode_of_autocast")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Switch a fresh layer through every sequence, in every surrounding, itself and from above."""
        around = has(probe.framework, Surroundings)
        tried = {"": True}
        calls, wrong = 0, []
        for nested in (False, True):
            for surrounding in ("", *(around.surroundings if around else ())):
                for sequence in SEQUENCES if probe.target.evaluates else ((True,),):
                    layer = probe.make(DROP_PROB)
                    if nested and not layer.nest():
                        continue
                    for step, training in enumerate(sequence):
                        try:
                            with (
                                around.surround(surrounding, probe.at.device)
                                if around and surrounding
                                else nullcontext()
                            ):
                                dropped = _drops(probe, layer, training=training)
                        except NotApplicable:  # a context that the device lacks is not claimed
                            break
                        tried[surrounding] = True
                        calls += 1
                        if dropped != training:
                            wrong.append(WrongMode(nested, surrounding, sequence[: step + 1]))
        return Seen(calls, tuple(wrong), tuple(name for name in tried if name))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single call in the wrong mode."""
        if not seen.wrong:
            under = ", ".join(["alone", *seen.surroundings])
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls are in the mode that was set last: {under}")
        first = seen.wrong[0]
        words = ["train()" if training else "eval()" for training in first.modes]
        where = " of a container around it" if first.nested else ""
        under = f" under {first.surrounding}" if first.surrounding else ""
        what = "drops nothing" if first.modes[-1] else "still drops"
        return Verdict.failed(
            f"after {', '.join(words)}{where} it {what}{under}; {len(seen.wrong)} of {seen.calls} calls are wrong"
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Switch in the order in which it first went wrong."""
        first = seen.wrong[0]
        script.layer(DROP_PROB)
        script.ones(script.shape(1 if at.per_call else DECISIONS))
        if first.nested:
            script.add(f"outer = {script.spell.container('layer')}")
        for training in first.modes:
            call = script.array(script.call(DROP_PROB, training=training))
            ys = f"ys = [{call} for _ in range({DECISIONS if at.per_call else 1})]"
            if first.nested:
                script.add(f"outer.{'train' if training else 'eval'}()")
            else:
                script.switch(DROP_PROB, training=training)
            if first.surrounding:
                with script.under(f"with {script.spell.surround(first.surrounding)}:"):
                    script.add(ys)
            else:
                script.add(ys)
        script.add(
            "print(ys[0].ravel())",
            f"assert {'any' if first.modes[-1] else 'not any'}((y == 0).any() for y in ys)",
        )


def _drops(probe: LiveProbe[DtypeCase], layer: Layer, *, training: bool) -> bool:
    """Return whether an element comes back as zero."""
    shape = probe.shape(1 if probe.at.per_call else DECISIONS)
    return any(
        # New ones each time: a target that writes to its input breaks DP004, not this promise.
        bool(np.any(probe.framework.numpy(layer(probe.ones(shape), training=training)) == 0))
        for _ in range(DECISIONS if probe.at.per_call else 1)
    )
