"""DP107 calls: decisions of successive calls are independent of each other.

What it checks
    The decision for a position is compared with the decision for it 1, 2, 3 … calls before, over all positions, and
    apart for calls of even and odd number. The most suspicious of these is tested exactly on fresh calls.
Why it matters
    A mask that is drawn once and kept drops the same samples for ever: part of the batch never trains the branch. A
    mask that alternates with its complement halves the variance that is the point of the method.
How to fix
    Draw in every forward pass, in training; keep no mask on the module, and do not reseed a generator of your own.
Seen in
    Frozen masks of a layer traced once: axon issue 423.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable, TimeRanOut
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.calls import Run, runs
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.dependence import Table, added, correlation, suspicion, table
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_hypergeometric
from droppath_audit.stats.exact import hypergeometric_test

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

LAGS = (1, 2, 3, 4, 5, 6, 7, 8)
PHASES = (None, 0, 1)  # all calls, those of even number, those of odd number
RELATIONS = [(lag, phase) for lag in LAGS for phase in PHASES]
BATCH = 16_384


@dataclass(frozen=True)
class Seen:
    """The most suspicious of lags and phases, its score in the search, and its table on decisions that are tested.

    ``multiplicity`` is 1 where these are fresh, and otherwise the number of relations that were looked at in them.
    """

    lag: int
    phase: int | None
    search_z: float
    table: Table
    multiplicity: int


class IndependentCalls(Check[Seen, Cell]):
    where = Cells((0.3, 0.5, 0.7), ("float32",))  # where structure shows; the dtype has no part in it
    in_variants = Cells((0.5,), ("float32",))
    recorded = Selection(
        lambda block: interior(block) and block.whole > 0,
        "cell",
        "the recording has no two calls that can be read altogether, at one drop_prob inside (0, 1)",
        lambda case: sum(block.whole for block in case.blocks) > 1,
    )
    causes = ("seeding", "other_generator")
    mutants = ("frozen_after_first_call", "alternates_with_its_complement", "reseeds_every_call")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the correlation that is seen with the quarter of the decisions that begin a pair at least."""
        calls, batch = _sizes(at)
        recorded = sum(block.whole * block.width for block in at.blocks)
        level = alpha / len(RELATIONS) if at.blocks else alpha
        resolves = detectable_hypergeometric((recorded or calls * batch) // 4, at.keep_prob, level, BETA)
        return Design(resolved(resolves), "correlation between calls", recorded or 2 * calls * batch)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Search lags and phases, then take the table of the most suspicious on decisions that were not searched."""
        searched = probe.decisions(*_sizes(probe.at))
        least = probe.at.decisions // 4  # that a relation must have in a recording, as the design says
        scores = {
            key: suspicion(counts) for key, counts in _tables(runs(searched), RELATIONS).items() if sum(counts) >= least
        }
        if not scores:
            raise NotApplicable("the runs of successive calls of one layer are too short to be compared")
        lag, phase = best = max(scores, key=lambda key: scores[key])
        fresh = _tables(runs(probe.afresh(searched, *_sizes(probe.at))), [best])
        if best not in fresh:
            raise TimeRanOut("time ran out before the most suspicious calls could be drawn anew")
        return Seen(lag, phase, scores[best], fresh[best], probe.multiplicity(len(RELATIONS)))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the proposed relation is real."""
        which = {None: "calls", 0: "calls of even number", 1: "calls of odd number"}[seen.phase]
        p_value = min(1.0, seen.multiplicity * hypergeometric_test(*seen.table))
        observed = (
            f"{which} and the {seen.lag} later: correlation {correlation(seen.table):+.4f} at the same position "
            f"in {sum(seen.table)} {'fresh ' if seen.multiplicity == 1 else ''}pairs, p = {p_value:.2g}"
        )
        if p_value <= alpha:
            return Verdict.failed(observed, promised="independent calls", p_value=p_value)
        return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare masks of successive calls."""
        chosen = f"i // {seen.lag} % 2 == 0" + ("" if seen.phase is None else " and i % 2 == 0")
        script.add("masks = []")
        script.each(
            *script.kept(),
            "masks += list(kept.reshape(len(ys), -1))",
            shape=script.shape(1 if at.per_call else BATCH),
            calls=2048 if at.per_call else 64,
        )
        script.add(
            f"masks = masks[{seen.phase or 0}:]  # one after the other",
            f"pairs = [(masks[i], masks[i + {seen.lag}]) for i in range(len(masks) - {seen.lag}) if {chosen}]",
            "first, second = (np.concatenate(part) for part in zip(*[(a, b) for a, b in pairs if len(a) == len(b)]))",
        )
        script.correlate("first", "second", f"masks {seen.lag} calls apart")


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls and batch of the search, and of the confirmation alike."""
    if at.per_call:
        return at.within(at.effort.pick(2**11, 2**13, 2**16), 1, share=0.5)
    return at.within(at.effort.pick(16, 80, 320), BATCH, share=0.5)


def _tables(found: list[Run], relations: Iterable[tuple[int, int | None]]) -> dict[tuple[int, int | None], Table]:
    """Return the table of every relation of which the runs hold pairs."""
    tables = {}
    for lag, phase in relations:
        pairs = [_pairs(run.masks, lag, phase) for run in found if len(run.masks) > lag]
        if any(first.size for first, _ in pairs):
            tables[lag, phase] = added(table(first, second) for first, second in pairs if first.size)
    return tables


def _pairs(
    masks: npt.NDArray[np.bool_], lag: int, phase: int | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return disjoint pairs of calls ``lag`` apart; with a phase, pairs whose first call has that parity."""
    masks = masks[phase or 0 :]
    starts = np.arange(len(masks) - lag)
    chosen = starts // lag % 2 == 0
    if phase is not None:
        chosen &= starts % 2 == 0
    starts = starts[chosen]
    return masks[starts], masks[starts + lag]
