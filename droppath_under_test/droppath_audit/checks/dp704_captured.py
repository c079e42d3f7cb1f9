"""DP704 captured: exported, scripted or traced, a layer does what it does as it is written.

What it checks
    Only where it is asked for (``--variants export,script,fx``): the layer is captured in each of its modes by
    ``torch.export``, ``torch.jit.script`` or ``torch.fx``. Values, masks that are fresh in each call, evaluation, and
    for what torch lets differentiate the gradient must be what they are without. Whether a program that was captured
    in training evaluates when its mode is switched is told, and is nobody's fault: a program holds the branch that
    was taken. What torch refuses to capture is not applicable, quoting it.
Why it matters
    An exported model whose decision was made while it was traced drops the same samples for ever; one that was captured
    in the wrong mode drops in production.
How to fix
    Draw with operations of torch on x and decide by ``self.training`` alone; capture a model after ``eval()`` where it
    is to evaluate.
Seen in
    ``random.random() < p`` under ``torch.export``; ``if torch.jit.is_scripting(): return x``; programs of training that
    were served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import InVariants
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.executions import Executions
from droppath_audit.fuzz import executed
from droppath_audit.fuzz.oracle import Violation

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript


@dataclass(frozen=True)
class Seen:
    """What is broken, whether a program that was captured in training drops for ever, and the features of x."""

    broken: tuple[Violation, ...]
    holds_mode: bool | None
    features: tuple[int, ...]


class Captured(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = InVariants(("export", "fx", "script"))
    driven = "its call must be captured"
    needs = (Executions,)
    mutants = ("EvaluatesNoMoreExported", "IdleWhileScripted", "decides_while_traced")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Ask what is captured in each mode, then what was captured in training and is switched."""
        broken = executed.broken(probe)
        return Seen(broken, _holds_mode(probe), probe.features(wide=True))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on what differs from the layer as it is written."""
        if seen.broken:
            told = "; ".join(one.text for one in seen.broken)
            return Verdict.failed(f"under {at.variant}: {told}", promised="what it does as it is written")
        modes = {
            None: "",
            True: "; a program keeps the mode in which it was captured",
            False: "; a program follows the mode to which it is switched",
        }
        return Verdict.passed(f"fresh masks and values as without{modes[seen.holds_mode]}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Capture it and call it."""
        executed.show(seen.broken[0], script, seen.features)


def _holds_mode(probe: LiveProbe[DtypeCase]) -> bool | None:
    """Return whether a program of training drops when it is to evaluate; None where nothing tells."""
    if not probe.target.evaluates or probe.target.way is None:
        return None
    probe.target.way.once = True
    layer, x = probe.make(executed.DROP_PROB), probe.ones(probe.shape(executed.BATCH, wide=True))
    try:
        layer(x, training=True)
        y = layer(x, training=False)
    except (NotApplicable, TargetRaised):
        return None
    return not probe.framework.kept(y, executed.BATCH).all()
