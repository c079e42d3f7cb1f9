"""DP702 devices: a device drops as often as the CPU does.

What it checks
    On every device that is asked for, the CPU apart: the shares of samples that are kept there and on the CPU are those
    of one law, by an exact test given the share of both. That each of them is the law that was asked for is for the
    checks of the law to say, all of which run on every device.
Why it matters
    A layer is tested on the CPU and trained on accelerators. A kernel of its own, another generator or a path that is
    taken there alone makes a model that regularises otherwise than the one that was tested.
How to fix
    Draw in operations of the framework that every device has, in float32 or wider, and ask for no device by its name.
Seen in
    Fused kernels that draw whole numbers and compare them with a threshold that was rounded; layers that count devices
    whose generators they do not know as evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import TimeRanOut
from droppath_audit.core.grid import Cells
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.live import LiveProbe
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.homogeneity import detectable_one_against_rest, one_against_rest

if TYPE_CHECKING:
    from droppath_audit.probes.counting import Counts
    from droppath_audit.scripts import LiveScript

DROP_PROBS = (0.1, 0.5, 0.9)
DTYPES = ("float32", "bfloat16")
CPU = "cpu"


@dataclass(frozen=True)
class Seen:
    """What was kept on the device and on the CPU, and of how many decisions."""

    kept: tuple[int, int]
    decisions: tuple[int, int]
    features: tuple[int, ...]


class Devices(Check[Seen, Cell]):
    where = Cells(DROP_PROBS, DTYPES)
    driven = "it must be called on two devices"
    away = True
    mutants = ()

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the difference between two devices that is seen."""
        each = _decisions(at)
        resolves = detectable_one_against_rest(each, each, at.keep_prob, alpha, BETA)
        resolves = resolves if resolves < max(at.keep_prob, at.drop_prob) else inf
        return Design(resolves, "keep probability between devices", 2 * each)

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Count on both."""
        here = LiveProbe(probe.target, replace(probe.at, device=CPU), probe.rng)
        both = [self._counted(one) for one in (probe, here)]
        if not all(counts.decisions for counts in both):
            raise TimeRanOut("time ran out before both devices had drawn")
        (there, cpu) = both
        return Seen((there.kept, cpu.kept), (there.decisions, cpu.decisions), probe.features())

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the two shares differ."""
        p_value = one_against_rest(seen.kept, seen.decisions, 0)
        (there, cpu) = (f"{kept / of:.6g} of {of}" for kept, of in zip(seen.kept, seen.decisions, strict=True))
        observed = f"{at.device} kept {there}, the CPU {cpu}, p = {p_value:.2g}"
        if p_value <= alpha:
            return Verdict.failed(observed, promised="one keep probability on both", p_value=p_value)
        return Verdict.passed(observed, p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Count on both, and compare."""
        batch, calls = (1, 2**12) if at.per_call else (2**16, 16)
        script.layer(at.drop_prob)
        script.add("shares = []")
        for device in (at.device, CPU):
            script.ones((batch, *seen.features), device=device)
            script.add("kept = decisions = 0")
            with script.under(f"for _ in range({calls}):"):
                script.run(at.drop_prob)
                script.add(
                    f"ys = {script.array('y')}",
                    f"kept, decisions = kept + (ys != {script.dropped}).sum(), decisions + ys.size",
                )
            script.add("shares.append(kept / decisions)")
        # Elements of one sample share a decision: their number adds nothing.
        width = 6.0 * (2.0 * at.keep_prob * at.drop_prob / (batch * calls)) ** 0.5
        script.add(
            "print('kept:', shares)",
            f"assert abs(shares[0] - shares[1]) <= {width:.2g}  # 6 standard deviations",
        )

    def _counted(self, probe: LiveProbe[Cell]) -> Counts:
        (counts,) = probe.frequencies({probe.drop_prob: _decisions(probe.at)})
        return counts


def _decisions(at: Cell) -> int:
    """Return the decisions that are drawn on each device."""
    if at.per_call:
        return at.effort.pick(2**12, 2**14, 2**16)
    return at.effort.pick(2**17, 2**20, 2**23)
