"""DP703 compiled: compiled code ran, all of it, and does what the layer does as it is written.

What it checks
    Only where it is asked for (``--variants compile``): the layer is compiled by ``aot_eager`` and by ``inductor``, for
    fixed and for symbolic shapes. Values, masks that are fresh in each call, evaluation, training after it, and the
    gradient of what was kept must be what they are without the compiler, two calls in one graph that is differentiated
    must have masks of their own, and a graph must have run. As a SHOULD: the graph has no break, each of which is
    named. What the layer breaks without a compiler as well is other checks' to say, and these run compiled beside this
    one.
Why it matters
    A layer that steps aside while it is compiled, or that keeps the decision with which it was traced, trains another
    network than the one that was tested, and nothing says so. A break in the graph costs time in every block.
How to fix
    Do not ask ``torch.compiler.is_compiling()``. Draw with operations of torch, keep the mode in ``self.training``, and
    branch on Python numbers, never on a value of a tensor. Give an operator of your own that draws the tag
    ``torch.Tag.nondeterministic_seeded``.
Seen in
    Layers that return x where ``is_compiling()``; ``.item()`` of a drawn decision; backward passes that were compiled
    with a mask drawn again: pytorch issue 190717. Operators that draw and do not say so, which the compiler merges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import InVariants
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.executions import Executions
from droppath_audit.fuzz import executed
from droppath_audit.fuzz.oracle import Violation

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

WAYS = ("compile", "compile-dynamic", "compile-aot", "compile-aot-dynamic")


@dataclass(frozen=True)
class Seen:
    """What is broken, why nothing ran compiled, why the graph breaks, and the features of x."""

    broken: tuple[Violation, ...]
    idle: str
    breaks: tuple[str, ...]
    features: tuple[int, ...]


class Compiled(Check[Seen, DtypeCase]):
    where = InVariants(WAYS)
    driven = "its call must be compiled"
    needs = (Executions,)
    judges_execution = True
    mutants = (
        "IdleWhileCompiled",
        "one_mask_while_compiled",
        "redraws_in_the_compiled_backward",
        "waits_for_its_decision",
        "draws_by_an_operator_that_tells_nobody",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Ask it compiled; what is broken is asked once more without the compiler."""
        way = probe.target.way
        if way is None:
            raise NotApplicable("the target is not compiled")
        try:
            broken = executed.broken(probe)
        except NotApplicable:
            if not way.idle() or way.refused:
                raise
            broken = ()  # torch does not compile it, which is judged by itself
        # A branch of ours is no part of the target, and where a graph breaks nobody says whose code it was.
        breaks = () if probe.target.runs_branch else way.breaks()
        if way.refused and not way.ran:
            raise NotApplicable(way.refused)
        return Seen(broken, way.idle(), breaks, probe.features(wide=True))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on what differs from the layer as it is written; of its graph, only as a SHOULD."""
        if seen.broken:
            told = "; ".join(one.text for one in seen.broken)
            return Verdict.failed(f"under {at.variant}: {told}", promised="what it does without the compiler")
        if seen.idle:
            return Verdict.failed(f"under {at.variant}: {seen.idle}", promised="compiled code", level=Level.SHOULD)
        if seen.breaks:
            told = "; ".join(seen.breaks)
            return Verdict.failed(f"the graph breaks: {told}", promised="one graph", level=Level.SHOULD)
        return Verdict.passed("compiled as one graph: fresh masks, values, gradients and modes as without")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Compile it and call it."""
        if seen.broken:
            executed.show(seen.broken[0], script, seen.features)
            return
        script.in_one_piece()
        script.layer(executed.DROP_PROB)
        script.ones((executed.BATCH, *seen.features))
        with script.must_not_raise("it is not one graph"):
            script.run(executed.DROP_PROB)
