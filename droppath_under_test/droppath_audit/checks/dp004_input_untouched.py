"""DP004 input-untouched: no call writes to x, not even the values that it has already, nor to an earlier output.

What it checks
    In every dtype, in training and in evaluation, at drop_prob 0, 0.3 and 1, the bytes of x are the same after the
    call as before, and its version counter has not moved. In the residual form the same holds for the shortcut. What
    the calls returned is the same after later calls on other x of the same shape.
Why it matters
    The branch's output is often held by somebody else: a skip connection, a hook, another head. An operation in place
    changes it under their hands, and autograd refuses the backward pass wherever the old values were needed. An output
    whose memory is used again is changed under the hands of whoever holds it: a list of features, a second pass.
How to fix
    Use the operations without the trailing underscore on x; only a mask that the layer created itself may be changed
    in place. Return new memory from every call, and keep no buffer for outputs.
Seen in
    The drop_path function of DARTS and of the architecture searches derived from it, which divides and multiplies x in
    place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import WriteCounts, has
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 32
DROP_PROBS = (0.0, 0.3, 1.0)
OUTPUT = "y"


@dataclass(frozen=True)
class Write:
    """What was written to: an argument of a call, by it, or its output, by later ones.

    ``changed`` says whether values are others, ``counted`` whether the framework counted a write.
    """

    argument: str
    drop_prob: float
    training: bool
    changed: bool
    counted: bool


@dataclass(frozen=True)
class Seen:
    """How many calls there were, the writes, and the features of a sample."""

    calls: int
    written: tuple[Write, ...]
    features: tuple[int, ...]


class InputUntouched(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    driven = "the tensor must be looked at after the call"
    causes = ("raising", "writing")
    mutants = ("writes_its_input", "clamps_its_input", "adds_to_its_shortcut", "UsesItsOutputAgain")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare bytes and version of every argument before and after each call, and outputs after all."""
        bits, counts = probe.framework.bits, has(probe.framework, WriteCounts)
        shape = probe.shape(BATCH, wide=True)
        calls, written, returned = 0, [], []
        for drop_prob in probe.accepted(*DROP_PROBS):
            layer = probe.make(drop_prob)
            for training in probe.modes:
                x, shortcut = (probe.tensor(moderate(probe.rng, shape, probe.dtype)) for _ in range(2))
                arguments = {"x": x, "shortcut": shortcut} if probe.residual else {"x": x}
                before = {name: (bits(t).copy(), counts.version(t) if counts else 0) for name, t in arguments.items()}
                if probe.residual:
                    y = layer.with_shortcut(x, shortcut, training=training)
                else:
                    y = layer(x, training=training)
                calls += 1
                if probe.framework.info(y) == probe.framework.info(x):
                    returned.append((drop_prob, training, y, bits(y).copy()))
                for name, tensor in arguments.items():
                    clean, version = before[name]
                    changed = not np.array_equal(bits(tensor), clean)
                    counted = counts is not None and counts.version(tensor) != version
                    if changed or counted:
                        written.append(Write(name, drop_prob, training, changed, counted))
            # For what the last call in training returned; where evaluation returns x, nothing else follows it.
            layer(probe.tensor(moderate(probe.rng, shape, probe.dtype)), training=True)
        for drop_prob, training, y, clean in returned:
            if not np.array_equal(bits(y), clean):
                written.append(Write(OUTPUT, drop_prob, training, changed=True, counted=False))
        return Seen(calls, tuple(written), shape[1:])

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single write."""
        if not seen.written:
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls leave their arguments alone")
        first = _first(seen)
        mode = "training" if first.training else "evaluation"
        if first.argument == OUTPUT:
            return Verdict.failed(
                f"what a call in {mode} at drop_prob {first.drop_prob:g} returned has other values after later calls"
            )
        what = "has other values" if first.changed else "was written to with the values it had"
        return Verdict.failed(f"after a call in {mode} at drop_prob {first.drop_prob:g}, {first.argument} {what}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Look at an argument before and after a call."""
        first = _first(seen)
        if first.argument == OUTPUT:
            script.layer(first.drop_prob, training=first.training)
            script.random((BATCH, *seen.features))
            script.run(first.drop_prob, training=first.training)
            script.add(f"before = {script.array('y')}.copy()")
            script.switch(first.drop_prob, training=True)
            script.random((BATCH, *seen.features))
            script.add(script.call(first.drop_prob), f"changed = {script.array('y')} != before")
            script.add("print(changed.sum(), 'of', changed.size, 'elements changed')", "assert not changed.any()")
            return
        name = first.argument if script.invocation.takes_shortcut else "x"
        version = script.spell.version(name) if first.counted else ""
        script.layer(first.drop_prob, training=first.training)
        script.random((BATCH, *seen.features))
        script.add(f"before = {script.array(name)}.copy()", *([f"version = {version}"] if version else []))
        script.add(script.call(first.drop_prob, training=first.training), f"changed = {script.array(name)} != before")
        script.add("print(changed.sum(), 'of', changed.size, 'elements changed')", "assert not changed.any()")
        if version:
            script.add(f"print('version', version, '->', {version})", f"assert {version} == version")


def _first(seen: Seen) -> Write:
    return next((write for write in seen.written if write.changed), seen.written[0])
