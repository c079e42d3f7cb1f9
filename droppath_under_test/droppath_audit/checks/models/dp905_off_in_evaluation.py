"""DP905 off-in-evaluation: model.eval() reaches every layer that drops paths, and the model is then a function.

What it checks
    In evaluation, with every rate at one half as far as layers can be given one, each such layer returns its input bit
    for bit, or times one factor (the original paper's, which multiplies by keep_prob in evaluation). Two evaluations
    of the same input return the same bits; where they do not, the first module whose output differs is named.
Why it matters
    A layer that no container knows, or that is told its mode at construction, goes on dropping in evaluation: results
    are worse than they should be, and other ones every time.
How to fix
    Keep layers in attributes, ModuleList or Sequential, not in plain lists; pass self.training to functions.
Seen in
    Ports of Swin that are active in evaluation; F.dropout called without training=self.training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.cause import Place
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.networks import DROPPED

if TYPE_CHECKING:
    from droppath_audit.frameworks.networks import Passage
    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

SAMPLES = 32  # of which at a rate of one half some are dropped, and some kept, but once in 2^31
NAMED = 4


@dataclass(frozen=True)
class Active:
    """A call that is not off."""

    key: str
    place: Place
    why: str


@dataclass(frozen=True)
class Seen:
    """Calls that are not off, how many there were, and the first module whose outputs differ."""

    active: tuple[Active, ...]
    calls: int
    differs: str


class OffInEvaluation(Check[Seen, Case]):
    where = Once()
    mutants = ("active_in_evaluation", "held_in_a_list", "mode_not_handed_on")

    def collect(self, probe: ModelProbe) -> Seen:
        """Evaluate the same input twice."""
        inputs = probe.inputs(SAMPLES)
        rates = {site.name: 0.5 for site in probe.sites}
        first, second = (probe.network.forward(inputs, training=False, rates=rates, outputs=True) for _ in range(2))
        active: dict[str, Active] = {}
        for one in (*first.passages, *second.passages):
            why = _why(one)
            if why:
                active.setdefault(one.key, Active(one.key, one.place, why))
        pairs = zip(first.outputs, second.outputs, strict=False)
        differs = next((name or "the model" for (name, one), (_, other) in pairs if one != other), "")
        return Seen(tuple(active.values()), len(first.passages), differs)

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail on a single layer that is on, and on outputs that differ."""
        if seen.active:
            named = "; ".join(f"{one.key} {one.why}" for one in seen.active[:NAMED])
            more = f"; {len(seen.active) - NAMED} more" if len(seen.active) > NAMED else ""
            return Verdict.failed(f"in evaluation {named}{more}")
        if seen.differs:
            return Verdict.failed(
                f"two evaluations of one input differ, first in what {seen.differs} returns, which drops no paths"
            )
        return Verdict.passed(f"{seen.calls} calls return their input; two evaluations agree bit for bit")

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Evaluate twice, and compare."""
        name = seen.active[0].key.partition(" (call ")[0] if seen.active else seen.differs
        if name != "the model":
            script.watch(name, "seen")
        else:
            script.add("seen = []", "model.register_forward_hook(lambda _, given, y: seen.append((given[0], y)))")
        if seen.active:
            script.add(f"layer = {script.module(name)}", "for key, value in list(vars(layer).items()):")
            script.add("    if isinstance(value, float):", "        setattr(layer, key, 0.5)")
        script.mode(training=False)
        script.inputs(SAMPLES)
        with script.under("for _ in range(8):"):
            script.run()
        script.add("ys = [y for _, y in seen][:: len(seen) // 8]")
        if seen.active:
            script.add("assert all((x == y).all() for x, y in seen), 'active in evaluation'")
        else:
            script.add("assert all((y == ys[0]).all() for y in ys), 'evaluations differ'")

    def place(self, seen: Seen, at: Case) -> Place | None:
        """The line that calls the first such layer."""
        return seen.active[0].place if seen.active else None


def _why(one: Passage) -> str:
    """Return why a call is not off in evaluation; empty where it is."""
    dropped = int((one.fates == DROPPED).sum())
    if dropped or one.partly:
        return f"drops {dropped or one.partly} of {len(one.fates)} samples"
    if not one.unchanged and len(one.fates) and not (math.isnan(one.factor) or one.factor <= 1.0):
        return f"multiplies by {one.factor:.4g}"
    return ""
