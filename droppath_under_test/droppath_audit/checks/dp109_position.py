"""DP109 position: every position of the batch has the same keep probability.

What it checks
    In batches of 8 and of 64 the share kept at each position, by the likelihood-ratio statistic G, and the first and
    the last position against all the others, exactly. In batches of 65 536 the share kept in 64 blocks of neighbours,
    and in 64 classes of positions that leave the same remainder. All is judged given the share observed over all.
Why it matters
    Loaders that sort or do not shuffle put the same samples first: they would always, or never, train the branch. A
    remainder that a vectorised loop treats apart is the usual origin.
How to fix
    Decide for every sample alike; force no sample to be kept so that "the batch is never empty".
Seen in
    Layers that keep the first sample of a batch for gradients to flow; kernels with an unmasked remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import WHOLE_CALLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.calls import widest
from droppath_audit.probes.certifying import group_resolved
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.homogeneity import all_alike, detectable_all_alike, neighbours, one_against_rest

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

SHORT = (8, 64)
LONG, GROUPS = 65_536, 64
TOGETHER = 8  # long calls: what is kept of them fits into a cache
# Of each short batch the table, the first and the last position; of the long one two tables.
STATISTICS = 3 * len(SHORT) + 2
EACH = 4096  # largest batch of a recording whose positions are looked at one by one


@dataclass(frozen=True)
class Positions:
    """How often each place of a batch was kept.

    Attributes:
        kind: What they are: ``position``, ``block`` of neighbours, or ``remainder`` of the position.
        batch: Decisions of a call.
        calls: Calls.
        kept: Kept at each place.
    """

    kind: str
    batch: int
    calls: int
    kept: tuple[int, ...]

    @property
    def decisions(self) -> list[int]:
        """Decisions at each place; of blocks and remainders the first ones may be larger by one."""
        number = len(self.kept)
        return [self.calls * (self.batch // number + (place < self.batch % number)) for place in range(number)]

    def describe(self, place: int, name: str) -> str:
        """Return the shares of one place and of the others."""
        here, decisions = self.decisions[place], sum(self.decisions)
        rest = (sum(self.kept) - self.kept[place]) / (decisions - here)
        return f"{name} in batches of {self.batch} kept {self.kept[place] / here:.4f}, the others {rest:.4f}"


@dataclass(frozen=True)
class Seen:
    """What was kept at the places of batches of several sizes."""

    places: tuple[Positions, ...]


class Position(Check[Seen, Cell]):
    where = Cells((0.3,), ("float32",))  # the dtype has no part in where a sample stands
    in_variants = Cells((0.3,), ("float32",))
    recorded = WHOLE_CALLS
    mutants = (
        "first_is_always_kept",
        "last_is_never_dropped",
        "ignores_its_first_number",
        "every_eighth_dropped_less",
        "tail_of_a_buffer",
    )

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A batch that is one decision has no positions."""
        return "a batch is one decision" if at.per_call else ""

    def design(self, at: Cell, alpha: float) -> Design:
        """Return what is seen of one position in a short batch; a block of a long one is resolved some times better.

        Of a recording, what is seen of the places that it tells most of: positions, blocks, or the two ends.
        """
        share, keep_prob = alpha / STATISTICS, at.keep_prob
        if not at.blocks:
            (short, _), (long, batch) = _calls(at)
            resolves = detectable_all_alike(short, SHORT[-1], keep_prob, share, BETA)
            resolves = resolves if resolves < max(keep_prob, at.drop_prob) else inf
            return Design(resolves, "keep probability of a position", short * sum(SHORT) + long * batch)
        width = max(block.width for block in at.blocks)
        calls = sum(block.whole for block in at.blocks if block.width == width)
        found = []
        for size, number in [(1, width)] * (width <= EACH) + [(width // GROUPS, GROUPS)] * (width >= 2 * GROUPS):
            groups = neighbours([calls * size] * number, keep_prob)
            if len(groups) > 1:
                together = size * len(groups[0])
                resolves = detectable_all_alike(calls * together, len(groups), keep_prob, share, BETA)
                found.append((resolves, "a position" if together == 1 else f"{together} neighbouring positions"))
        if width <= EACH:
            resolves = group_resolved(calls, calls * (width - 1), keep_prob, share)
            found.append((resolves, "the first or the last position"))
        resolves, place = min(found, default=(inf, "a position"))
        resolves = resolves if resolves < max(keep_prob, at.drop_prob) else inf
        return Design(resolves, f"keep probability of {place}", calls * width)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Count how often each position was kept, and in large batches each block and remainder."""
        (short, _), (long, batch) = _calls(probe.at)
        if probe.at.blocks:
            kept, calls = _counted(probe, long, LONG)
            each = [_each(kept, calls)] if len(kept) <= EACH else []
        else:
            each = [_each(*_counted(probe, short, batch)) for batch in SHORT]
            kept, calls = _counted(probe, min(TOGETHER, long), batch)
            made = asked = min(TOGETHER, long)
            while calls < long and made == asked:  # fewer where time runs out
                asked = min(TOGETHER, long - calls)
                more, made = _counted(probe, asked, batch)
                kept, calls = kept + more, calls + made
        return Seen((*each, *_grouped(kept, calls)))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where a position, block or remainder is kept more or less often than the others."""
        worst = _worst(seen)
        p_value = min(1.0, STATISTICS * worst.p_value)
        observed = f"{worst.text}, p = {p_value:.2g}"
        if p_value <= alpha:
            return Verdict.failed(observed, promised="one keep probability at every position", p_value=p_value)
        return Verdict.passed(f"furthest off was {observed}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the end that is furthest off with the others, or all groups of a table."""
        worst = _worst(seen)
        places, width = worst.places, worst.places.batch
        if worst.end is None:
            decisions = places.decisions
            starts = [group.start for group in neighbours(decisions, sum(places.kept) / sum(decisions))]
            groups, names = len(starts), f"{places.kind}s from {', '.join(map(str, starts[:5]))}"
            names += f"{', …' * (groups > 5)} on"
            if places.kind == "block":  # of neighbours, the first ones larger by one
                starts = [start * (width // GROUPS) + min(start, width % GROUPS) for start in starts]
            place = f"position % {GROUPS}" if places.kind == "remainder" else "position"
            group = f"group = np.searchsorted({_listed(starts)}, {place}, side='right') - 1"
        else:
            groups, names = 2, f"position {worst.end} and of the others"
            group = f"group = np.where(position == {worst.end}, 0, 1)"
        script.compare_groups(
            ["position = np.broadcast_to(np.arange(kept.shape[1]), kept.shape)", group],
            groups,
            f"{names} in batches of {width}",
            parts=[(script.shape(width), max(places.calls, 64 if width == LONG else 4096))],
            blocks=lambda block: block.width == width,
        )


class _Statistic(NamedTuple):
    """A p-value, what it is of, and the end of the batch if it is of one alone."""

    p_value: float
    text: str
    places: Positions
    end: int | None = None


def _worst(seen: Seen) -> _Statistic:
    """Return the statistic with the smallest p-value."""
    found = []
    for places in seen.places:
        fit = all_alike(places.kept, places.decisions)
        if fit is not None:
            share = sum(places.kept) / sum(places.decisions)
            away = [abs(kept - share * n) for kept, n in zip(places.kept, places.decisions, strict=True)]
            index = away.index(max(away))
            text = (
                f"{places.describe(index, f'{places.kind} {index}')}; G = {fit.g:.1f}, "
                f"Pearson's X² = {fit.pearson:.1f}, {fit.degrees_of_freedom} degrees of freedom"
            )
            found.append(_Statistic(fit.p_value, text, places))
        for name, end in (("first", 0), ("last", places.batch - 1)) if places.kind == "position" else ():
            text = places.describe(end, f"the {name} position")
            found.append(_Statistic(one_against_rest(places.kept, places.decisions, end), text, places, end))
    return min(found, key=lambda statistic: statistic[:2])


def _calls(at: Cell) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the calls with short batches and the samples of all of these, and calls and samples of long ones."""
    short = at.within(at.effort.pick(1024, 6144, 2**17), sum(SHORT), share=0.5)
    return short, at.within(at.effort.pick(24, 200, 1600), LONG, share=0.5)


def _counted(probe: Probe[Cell], calls: int, batch: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return how often each position was kept, and in how many calls."""
    masks = widest(probe.decisions(calls, batch))
    return masks.sum(axis=0), len(masks)


def _each(kept: npt.NDArray[np.int64], calls: int) -> Positions:
    """Return what was kept at every position."""
    return Positions("position", len(kept), calls, tuple(kept.tolist()))


def _grouped(kept: npt.NDArray[np.int64], calls: int) -> list[Positions]:
    """Return what was kept in blocks of neighbours, and at positions with the same remainder, of a large batch."""
    if len(kept) < 2 * GROUPS:
        return []
    blocks = tuple(int(part.sum()) for part in np.array_split(kept, GROUPS))
    remainders = tuple(int(kept[index::GROUPS].sum()) for index in range(GROUPS))
    return [Positions("block", len(kept), calls, blocks), Positions("remainder", len(kept), calls, remainders)]


def _listed(starts: list[int]) -> list[int] | range:
    """Return numbers that are equally far apart as a range, which is shorter to read."""
    evenly = range(0, starts[-1] + 1, starts[1])
    return evenly if list(evenly) == starts else starts
