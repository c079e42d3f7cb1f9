"""DP804 work-skipped: the branch is computed at most once for a sample.

What it checks
    Only where it is asked for (``--benchmark``), of layers that run their branch themselves: for which share of the
    samples of calls in training at p = 0.5 they run it. It is the keep probability for a layer that skips the branch of
    what it drops, and 1 for one that computes it and multiplies with 0. More than 1 is told as broken, which fails
    nothing. For a layer that is handed the output of the branch it is 1: the branch has been computed.
Why it matters
    Skipping what is dropped is the part of stochastic depth that saves time. A branch that is run a second time, for a
    shape or a dtype, costs as much as the network has without it.
How to fix
    Decide before the branch is run, and run it once, on the samples that are kept.
Seen in
    Wrappers that run the branch to learn the shape of its output, and then run it for the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Cells
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH, CALLS = 16, 256


@dataclass(frozen=True)
class Seen:
    """Samples that calls were made with, and for how many the branch was run; no calls where it was run before."""

    samples: int
    computed: int
    shape: tuple[int, ...]


class WorkSkipped(Check[Seen, Cell]):
    level = Level.INFO
    where = Cells((0.5,), ("float32",))  # the dtype has no part in what is run
    driven = "runs of its branch must be counted"
    benchmark = True
    mutants = ("RunsItsBranchTwice",)

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Count samples for which the branch is run."""
        shape = probe.shape(BATCH)
        if not probe.target.runs_branch:
            return Seen(0, 0, shape)
        layer, x = probe.make(), probe.ones(shape)  # of samples that are alike nobody has to ask which they are
        layer(x, training=True)
        before, calls, time = layer.computed(), 0, probe.clock.part()
        while calls < CALLS and not (calls and time.over()):
            layer(x, training=True)
            calls += 1
        return Seen(calls * shape[0], layer.computed() - before, shape)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Tell the share; more than all is told as broken."""
        if not seen.samples:
            return Verdict.passed("1 of the branch is computed: the layer is handed its output")
        share = seen.computed / seen.samples
        observed = f"the branch is computed for {share:.3g} of the samples, of which {at.keep_prob:g} are kept"
        if seen.computed > seen.samples:
            return Verdict.failed(observed, promised="at most once for each sample")
        return Verdict.passed(observed)

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Count the samples that the branch is given in some calls."""
        script.count_branch()
        script.ones(seen.shape)
        script.layer(at.drop_prob)
        with script.under(f"for _ in range({CALLS}):"):
            script.run(at.drop_prob)
        script.add(
            "print('samples:', sum(runs), 'of', CALLS * len(x))".replace("CALLS", str(CALLS)),
            f"assert sum(runs) <= {CALLS} * len(x)",
        )
