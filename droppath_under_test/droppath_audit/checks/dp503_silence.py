"""DP503 silence: evaluation, and training with drop_prob = 0, consume no random numbers.

What it checks
    The state of the framework's generator is the same before and after a call in evaluation, and before and after a
    training call at drop_prob = 0.
Why it matters
    Where they do consume, switching a block off, or evaluating in the middle of an epoch, changes every random number
    after it: two runs that should be comparable are not.
How to fix
    Return x before any random number is drawn: ask for the mode and for drop_prob first.
Seen in
    EfficientNet-PyTorch's drop_connect, which draws at drop_prob = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Generators

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 16
DROP_PROBS = {True: 0.0, False: 0.5}
"""By mode, a drop_prob at which there is nothing to decide."""


@dataclass(frozen=True)
class Seen:
    """The modes in which random numbers were consumed, training first."""

    drew: tuple[bool, ...]


class Silence(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32",))  # the dtype has no part in where random numbers come from
    driven = "its generator must be watched while it runs"
    needs = (Generators,)
    mutants = ("draws_for_nothing",)

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare generator states around calls that have nothing to decide."""
        generators, device, x = probe.ask(Generators), probe.at.device, probe.ones(probe.shape(BATCH))
        drew = []
        for training in probe.modes:
            layer = probe.make(DROP_PROBS[training])
            before = generators.generator_state(device)
            layer(x, training=training)
            if generators.generator_state(device) != before:
                drew.append(training)
        return Seen(tuple(drew))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where random numbers were consumed for nothing."""
        if not seen.drew:
            return Verdict.passed("no random numbers consumed")
        where = ["training at drop_prob = 0" if training else "evaluation" for training in seen.drew]
        return Verdict.failed(f"random numbers are consumed in {' and in '.join(where)}", promised="none are consumed")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Show the next random numbers with and without the call."""
        training = seen.drew[0]
        script.layer(DROP_PROBS[training], training=training)
        script.ones(script.shape(BATCH))
        script.hold_key()
        script.next_numbers("untouched")
        script.next_numbers("after", script.call(DROP_PROBS[training], training=training))
        script.add("print(untouched, after, sep='\\n')", "assert (after == untouched).all()")
