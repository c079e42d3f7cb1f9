"""DP101 mask-frequency: over the whole grid of drop_prob, kept and dropped samples occur as often as promised.

What it checks
    The frequency table of kept and dropped decisions over every drop_prob of the grid, one table per dtype, by a
    chi-square test: the likelihood-ratio statistic G judges, Pearson's is printed beside it, with as many degrees of
    freedom as there are cells, because every expected count is given.
Why it matters
    Regularisation of the wrong strength trains, converges and ships. A table over the grid also sees many small
    deviations that point the same way and are each too small to be seen alone.
How to fix
    Draw the decision in float32 or wider, or with a Bernoulli call on a scalar probability; never add the uniform
    number to keep_prob in the dtype of x.
Seen in
    floor(keep_prob + rand) in half precision: transformers, mmcv, EfficientNet-PyTorch, Paddle.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import INTERIOR, Dtypes
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import resolved
from droppath_audit.scripts import LiveScript
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.chi_square import frequency_table
from droppath_audit.stats.design import detectable_chi_square

if TYPE_CHECKING:
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

DECLARED = (0.3, 0.7)  # drop_probs at which samples of the SPEC's shape are counted
EXPECTED = 100  # smallest expected count at which the tail of G is that of chi-square (STATISTICS: within 1.2 α)


@dataclass(frozen=True)
class Frequency:
    """What was counted at one drop_prob, and whether on samples of the SPEC's shape, where smaller ones are taken."""

    drop_prob: float
    kept: int
    decisions: int
    declared: bool = False

    @property
    def deviation(self) -> float:
        """|kept - nq| in standard deviations; 0 where nothing was counted."""
        n, p = self.decisions, self.drop_prob
        return abs(self.kept - n * (1.0 - p)) / (n * p * (1.0 - p)) ** 0.5 if n else 0.0


@dataclass(frozen=True)
class Seen:
    """The frequencies of the table."""

    cells: tuple[Frequency, ...]


class MaskFrequency(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    recorded = Selection(
        interior,
        "dtype",
        f"no drop_prob of the recording has {EXPECTED} decisions to be expected of either kind",
        lambda case: bool(_sizes(case)),
    )
    mutants = ("floor_mask", "keeps_what_it_should_drop")

    def design(self, at: DtypeCase, alpha: float) -> Design:
        """Return the deviation seen with certainty 1 - β if one cell alone had it, where that is largest."""
        planned = [*_sizes(at).items(), *_declared(at).items()]
        total, quantity = sum(n for _, n in planned), "keep probability of one cell"
        effects = {n: detectable_chi_square(n, len(planned), alpha, BETA) for n in {n for _, n in planned}}
        largest = max((effects[n] * (p * (1.0 - p)) ** 0.5 for p, n in planned), default=inf)
        return Design(resolved(largest), quantity, total)

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Count a number of decisions that is fixed in advance at each drop_prob."""
        cells = []
        for sizes, declared in ((_sizes(probe.at), False), (_declared(probe.at), True)):
            found = probe.frequencies(sizes, declared=declared) if sizes else []
            for drop_prob, counts in zip(sizes, found, strict=True):
                cells.append(Frequency(drop_prob, counts.kept, counts.decisions, declared))
        return Seen(tuple(cells))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where G is larger than chance allows."""
        usable = [cell for cell in seen.cells if _filled(cell.drop_prob, cell.decisions)]
        if not usable:
            return Verdict.inconclusive("time ran out before one cell of the table was filled")
        table = frequency_table(
            [cell.kept for cell in usable],
            [cell.decisions for cell in usable],
            [1.0 - cell.drop_prob for cell in usable],
        )
        statistics = (
            f"G = {table.g:.1f}, Pearson's X² = {table.pearson:.1f}, {table.degrees_of_freedom} degrees of freedom, "
            f"p = {table.p_value:.2g}"
        )
        if table.p_value <= alpha:
            worst = max(usable, key=lambda cell: cell.deviation)
            kept = worst.kept / worst.decisions
            where = " of the SPEC's shape" if worst.declared else ""
            observed = f"{statistics}; worst at drop_prob {worst.drop_prob:g}, where {kept:.6g} were kept{where}"
            return Verdict.failed(observed, promised="kept and dropped as often as asked for", p_value=table.p_value)
        return Verdict.passed(statistics, p_value=table.p_value)

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Count, at the drop_prob that deviates most, eight times as many decisions."""
        worst = max(seen.cells, key=lambda cell: cell.deviation)
        if worst.declared and isinstance(script, LiveScript):
            script.smallest = script.declared
        script.share(worst.drop_prob, worst.decisions if worst.declared else 8 * worst.decisions)


def _filled(drop_prob: float, decisions: int) -> bool:
    """Return whether so many decisions fill their cell of the table."""
    return min(drop_prob, 1.0 - drop_prob) * decisions >= EXPECTED


def _sizes(at: DtypeCase) -> dict[float, int]:
    """Return the number of decisions at each drop_prob of the table."""
    pick = at.effort.pick
    each = pick(2**11, 2**13, 2**16) if at.per_call else pick(2**17, 2**20, 2**22)
    if at.affords is not None:
        each = min(each, at.affords // len(INTERIOR))
    sizes = {} if at.blocks else dict.fromkeys(INTERIOR, each)
    for block in at.blocks:
        sizes[block.drop_prob] = sizes.get(block.drop_prob, 0) + block.decisions
    return {p: n for p, n in sorted(sizes.items()) if _filled(p, n)}


def _declared(at: DtypeCase) -> dict[float, int]:
    """Return the decisions at two drop_probs on the samples that the SPEC declares, where smaller ones are counted.

    As many as there is time for, and as the table needs at least: a layer may be wrong at that size alone.
    """
    if not at.declared:
        return {}
    decisions = at.declared if at.dialect.granularity == "element" else 1
    samples = at.effort.counted // (at.declared * len(DECLARED))
    return {p: max(ceil(EXPECTED / min(p, 1.0 - p) / decisions), samples) * decisions for p in DECLARED}
