"""DP112 stationarity: the keep probability does not drift with the number of calls.

What it checks
    A fresh instance is called thousands of times; the share kept in the first call, the second, the next two, the next
    four and so on is compared over all these spans by the likelihood-ratio statistic G, given the share observed over
    all.
Why it matters
    A rate that warms up or decays inside the layer is a schedule that nobody set, that does not survive a checkpoint,
    and that starts anew in every copy. Schedules belong to the training loop, which DP907 looks at.
How to fix
    Count nothing in the layer; change drop_prob from outside.
Seen in
    Ports of DropBlock, whose scheduled probability moves with every forward call; curriculum dropout.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.scripts import RecordedScript
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_chi_square
from droppath_audit.stats.homogeneity import all_alike, neighbours

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.recording import BlockFacts
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

DROP_PROB, BATCH = 0.3, 1024


@dataclass(frozen=True)
class Seen:
    """What was kept in each span of calls, how many decisions were seen there, and how many calls it has."""

    kept: tuple[int, ...]
    decisions: tuple[int, ...]
    calls: tuple[int, ...]


class Stationarity(Check[Seen, Cell]):
    where = Cells((DROP_PROB,), ("float32",))  # the dtype has no part in how often a layer was called
    in_variants = Cells((DROP_PROB,), ("float32",))
    recorded = Selection(
        lambda block: interior(block) and block.decisions > 0,
        "batch",  # sizes that follow on each other are DP110's
        "the recording has no two calls of one layer with batches of one size, at one drop_prob inside (0, 1)",
        lambda case: sum(_spans(case)) > 1,
    )
    causes = ("seeding", "other_generator")
    mutants = ("warms_up_by_itself", "decays_with_every_call", "first_call_is_identity", "early_only")

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the difference that is seen between the first half of the calls and the second."""
        spans, keep_prob = _spans(at), at.keep_prob
        if not at.blocks:
            decisions = sum(spans) * _sizes(at)[1]
            if len(spans) < 2:
                return Design(inf, "keep probability, earlier and later calls", decisions)
            # Halves that differ by d: w² = d²/(4pq).
            effect = detectable_chi_square(decisions, len(spans) - 1, alpha, BETA)
            resolves = min(1.0, 2.0 * effect * (at.drop_prob * (1.0 - at.drop_prob)) ** 0.5)
            resolves = resolves if resolves < max(at.keep_prob, at.drop_prob) else inf
            return Design(resolves, "keep probability, earlier and later calls", decisions)
        each = np.zeros(sum(spans))
        for block, first in _firsts(at):
            each[first : first + block.calls] += block.decisions / block.calls
        recorded = _in_spans(each, spans)
        groups, total, quantity = neighbours(recorded, keep_prob), at.decisions, "keep probability of later calls"
        if len(groups) < 2:
            return Design(inf, quantity, total)
        # A share f of all that differs by d from the rest: w² = d² f (1 - f)/(pq).
        later = sum(recorded[groups[-1].start :]) / total
        effect = detectable_chi_square(total, len(groups) - 1, alpha, BETA)
        found = effect * (keep_prob * at.drop_prob / (later * (1.0 - later))) ** 0.5
        return Design(found if found < max(keep_prob, at.drop_prob) else inf, quantity, total)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Count what is kept in each span of the calls of a layer, in order, from the first on."""
        found, spans = probe.decisions(*_sizes(probe.at)), _spans(probe.at)
        if not probe.at.blocks:
            spans = _halved(sum(len(part.kept) for part in found))  # fewer where time ran out
        kept, decisions = np.zeros((2, sum(spans)), dtype=np.int64)
        made: dict[str, int] = {}  # calls of each layer so far
        for part in found:
            first = made.get(part.layer, 0)
            last = made[part.layer] = first + len(part.kept)
            kept[first:last] += (part.kept & part.seen).sum(axis=1)
            decisions[first:last] += part.seen.sum(axis=1)
        return Seen(_in_spans(kept, spans), _in_spans(decisions, spans), spans)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the spans differ by more than chance."""
        kept, decisions, calls = seen.kept, seen.decisions, seen.calls
        fit = all_alike(kept, decisions)
        if fit is None:
            return Verdict.not_applicable(
                "nearly all samples met the same fate, so there is no drift to see (see DP102)"
            )
        furthest = _furthest(seen)
        first = sum(calls[:furthest])
        here = kept[furthest] / decisions[furthest]
        rest = (sum(kept) - kept[furthest]) / (sum(decisions) - decisions[furthest])
        observed = (
            f"calls {first + 1} to {first + calls[furthest]} kept {here:.4f}, the others {rest:.4f}; "
            f"G = {fit.g:.1f}, Pearson's X² = {fit.pearson:.1f}, {fit.degrees_of_freedom} degrees of freedom, "
            f"p = {fit.p_value:.2g}"
        )
        if fit.p_value <= alpha:
            return Verdict.failed(observed, promised="one keep probability in every call", p_value=fit.p_value)
        return Verdict.passed(f"furthest off were {observed}", p_value=fit.p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the spans."""
        groups = neighbours(seen.decisions, sum(seen.kept) / sum(seen.decisions))
        starts = [sum(seen.calls[: group.start]) for group in groups]
        if isinstance(script, RecordedScript):
            numbers = [(block.index, block.calls if script.by_call else 1, first) for block, first in _firsts(at)]
            script.add(f"firsts = {numbers}  # block, how many, and the calls of its layer before it")
            found = "next(call + block - start for start, number, call in firsts if start <= block < start + number)"
            first = f"first = {found}"
        else:
            script.add("made = 0")
            first = "first, made = made, made + 1"
        script.compare_groups(
            [
                first,
                f"group = np.searchsorted({starts}, first + np.arange(len(ys)), side='right') - 1",
                "group = np.broadcast_to(group[:, None], kept.shape)",
            ],
            len(starts),
            f"calls from {', '.join(str(start + 1) for start in starts)} on",
            parts=[(script.shape(_sizes(at)[1]), sum(seen.calls))],
        )


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls and batch."""
    # One decision a call: a span needs some hundred calls.
    return at.within(2 ** at.effort.pick(11 if at.per_call else 9, 13, 16), 1 if at.per_call else BATCH)


def _spans(at: Cell) -> tuple[int, ...]:
    """Return the calls of each span; those of a recording are the calls of the layer that was called most often."""
    return _halved(max(first + block.calls for block, first in _firsts(at)) if at.blocks else _sizes(at)[0])


def _halved(left: int) -> tuple[int, ...]:
    """Return spans of calls: the last is half of all, the one before half of what is left, and so on."""
    spans = []
    while left:
        spans.append(left - left // 2)
        left //= 2
    return tuple(spans[::-1])


def _firsts(at: Cell) -> list[tuple[BlockFacts, int]]:
    """Return the blocks of a case, each with the number of calls of its layer at this cell that came before."""
    calls: dict[str, int] = {}
    found = []
    for block in sorted(at.blocks, key=lambda block: (block.layer, block.call)):
        found.append((block, calls.get(block.layer, 0)))
        calls[block.layer] = found[-1][1] + block.calls
    return found


def _in_spans(each: npt.NDArray[Any], spans: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sums of what each call has over spans of calls."""
    return tuple(np.add.reduceat(each, [*accumulate(spans, initial=0)][:-1]).astype(int).tolist())


def _furthest(seen: Seen) -> int:
    """Return the span whose share is most standard deviations from that of all."""
    share = sum(seen.kept) / sum(seen.decisions)
    scores = [abs(k - share * n) / max(n, 1) ** 0.5 for k, n in zip(seen.kept, seen.decisions, strict=True)]
    return scores.index(max(scores))
