"""DP305 zero-dimensional: a tensor of rank 0 is refused clearly, or counts as one sample.

What it checks
    A tensor of rank 0 passes through 64 training calls at drop_prob 0.5. Either TypeError, ValueError or RuntimeError
    is raised with a message (an IndexError from inside says nothing), or the output has rank 0 and is 0 or what a
    kept value is, to one percent.
Why it matters
    Losses and other scalars are tensors of rank 0. One that gains an axis broadcasts what it meets.
How to fix
    Build the mask's shape so that rank 0 gives (), as the reference does, or check the rank and say what is expected.
Seen in
    Layers that begin with x.shape[0], which raise IndexError: tuple index out of range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.refusals import CLEAR, Refusal
from droppath_audit.core.verdict import Verdict
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

CALLS = 64
DROP_PROB = 0.5


@dataclass(frozen=True)
class Seen:
    """What came of it.

    Attributes:
        refusal: What was raised, if anything.
        became: The output in words, where it is of another shape, dtype or device than x.
        wrong: The smallest value that is neither 0 nor what a kept one is, if there is one.
    """

    refusal: Refusal | None = None
    became: str = ""
    wrong: float | None = None


class ZeroDimensional(Check[Seen, DtypeCase]):
    level = Level.INFO
    where = Dtypes(("float64",))  # ranks know no dtype
    driven = "it must be called on a tensor of rank 0, which has no batch to record"
    mutants = ("adds_an_axis_to_scalars",)

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """A fixed input has a rank already."""
        return "the SPEC fixes the shape of the input" if facts.fixed_shape else ""

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Call the target with a scalar tensor."""
        framework, layer, x = probe.framework, probe.make(DROP_PROB), probe.ones(())
        kept = multiplier(DROP_PROB, probe.at.dialect.scaling)
        values: set[float] = set()
        for _ in range(CALLS):
            try:
                y = layer(x, training=True)
            except TargetRaised as error:
                return Seen(Refusal(error.as_one_of(*CLEAR), error.text))
            if framework.info(y) != framework.info(x):
                return Seen(became=str(framework.info(y)))
            values.add(float(framework.numpy(y)))
        wrong = (value for value in sorted(values) if value != 0 and not abs(value - kept) <= 0.01 * kept)
        return Seen(wrong=next(wrong, None))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Say what happens; fail on a wrong shape or value, or an unclear exception."""
        if seen.refusal is not None:
            observed = f"{seen.refusal.kind}: {seen.refusal.text}"
            return Verdict.passed(observed) if seen.refusal.clear else Verdict.failed(observed)
        if seen.became:
            return Verdict.failed(f"the output is {seen.became}")
        if seen.wrong is not None:
            return Verdict.failed(f"the output is {seen.wrong:.6g}")
        return Verdict.passed("one decision")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Call it with a scalar tensor."""
        kept = multiplier(DROP_PROB, at.dialect.scaling)
        script.layer(DROP_PROB)
        script.ones(())
        with script.under("try:"):
            script.add(f"ys = [{script.array(script.call(DROP_PROB))} for _ in range({CALLS})]")
        script.refused_clearly()
        with script.under("else:"):
            script.add(
                "print(ys[0])",
                f"assert all(y.shape == () and (y == 0 or abs(y - {kept!r}) <= {0.01 * kept!r}) for y in ys)",
            )
