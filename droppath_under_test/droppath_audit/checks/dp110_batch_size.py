"""DP110 batch-size: the keep probability does not depend on the number of samples in the batch.

What it checks
    Batches of 1, 2, 3, 4, 8, 1000, 1024 and 65 536 samples: the share kept at each size against that of all the others
    together, by exact tests, given the share observed over all. A size at which the target raises is left out.
Why it matters
    The last batch of an epoch is short, detection trains with two images a device, and a debugging run with one: a
    sample's chance to be dropped must not change with them.
How to fix
    Decide for every sample by itself. Round no number of samples to be kept, and redraw no batch that dropped all.
Seen in
    DINOv2's drop_add_residual_stochastic_depth, which keeps max(int(B q), 1) samples and never drops in a batch of 1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import group_resolved
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.homogeneity import detectable_one_against_rest, one_against_rest

if TYPE_CHECKING:
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

# Where a redrawn batch of four is furthest off: 0.395 of 0.3.
DROP_PROB = 0.7
SIZES = (1, 2, 3, 4, 8, 1000, 1024, 65_536)
# Decisions at each of the sizes up to 8: calls are what costs.
CALLS_OF = {1: 1.0, 2: 0.375, 3: 0.25, 4: 0.25, 8: 0.125}


@dataclass(frozen=True)
class Batches:
    """Batches of one size: how many decisions were seen in them, and how many kept."""

    size: int
    kept: int
    decisions: int


@dataclass(frozen=True)
class Seen:
    """What was kept at each size, and the sizes at which the target raised, with what it raised."""

    batches: tuple[Batches, ...]
    raised: tuple[tuple[int, str], ...]


class BatchSize(Check[Seen, Cell]):
    where = Cells((DROP_PROB,), ("float32",))  # the dtype has no part in the size of a batch
    in_variants = Cells((DROP_PROB,), ("float32",))
    recorded = Selection(
        interior,
        "cell",
        "the recording has no batches of different sizes at one drop_prob inside (0, 1)",
        lambda case: len(_decisions(case)) > 1,
    )
    mutants = (
        "subset_of_at_least_one",
        "redraws_an_empty_batch",
        "single_sample_is_never_dropped",
        "single_sample_takes_keep_for_drop",
        "rounded_share_of_small_batches",
        "small_batches_drop_less",
        "unmasked_remainder",
    )

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the difference that is seen at a batch size of 1, or of a recording where most is seen."""
        decisions = _decisions(at)
        total, share = sum(decisions.values()), alpha / max(len(SIZES), len(decisions))
        if not at.blocks:
            resolves = detectable_one_against_rest(decisions[1], total - decisions[1], at.keep_prob, share, BETA)
            resolves = resolves if resolves < max(at.keep_prob, at.drop_prob) else inf
            return Design(resolves, "keep probability at a batch size", total)
        size = max(decisions, key=lambda size: min(decisions[size], total - decisions[size]))
        resolves = group_resolved(decisions[size], total - decisions[size], at.keep_prob, share)
        return Design(resolves, f"keep probability at a batch size of {size}", total)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Count what is kept at each size."""
        found, raised = probe.by_batch({size: _calls(probe.at, size) for size in _batches(probe.at)})
        kept, decisions = Counter[int](), Counter[int]()
        for part in found:
            kept[part.batch] += part.counts[0]
            decisions[part.batch] += part.counts[1]
        sizes = sorted(size for size in decisions if decisions[size])
        if len(sizes) < 2:
            raise NotApplicable(f"the target raises at {len(raised)} of {len(SIZES)} batch sizes (see DP304)")
        return Seen(tuple(Batches(size, kept[size], decisions[size]) for size in sizes), tuple(raised.items()))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where one size is kept more or less often than the others."""
        p_value, size = _furthest(seen)
        p_value = min(1.0, max(len(SIZES), len(seen.batches)) * p_value)
        others = [batches for batches in seen.batches if batches is not size]
        rest = sum(batches.kept for batches in others) / sum(batches.decisions for batches in others)
        observed = (
            f"batches of {size.size} kept {size.kept / size.decisions:.4f} of {size.decisions}, others {rest:.4f}, "
            f"p = {p_value:.2g}"
        )
        if p_value <= alpha:
            return Verdict.failed(observed, promised="one keep probability at every batch size", p_value=p_value)
        left_out = "".join(f"; at {size} the target raised {text}" for size, text in seen.raised)
        return Verdict.passed(f"furthest off were {observed}{left_out}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the size furthest off with all others of a recording, or with another."""
        _, furthest = _furthest(seen)
        other = next(size for size in (8 if at.per_call else 65_536, 1024) if size != furthest.size)
        script.compare_groups(
            [f"group = np.full(kept.shape, 0 if ys.shape[1] == {furthest.size} else 1)"],
            2,
            f"batches of {furthest.size} and of others",
            parts=[
                (script.shape(size), 4096 if at.per_call else max(1, 8192 // size)) for size in (furthest.size, other)
            ],
        )


def _batches(at: Cell) -> tuple[int, ...]:
    """Return the sizes; of large samples those of which one call is no more than an eighth of all."""
    return tuple(size for size in SIZES if size in CALLS_OF or at.within(1, size, share=1 / 8)[1] == size)


def _calls(at: Cell, size: int) -> int:
    """Return the calls with batches of this size."""
    return at.within(_wanted(at, size), size, share=1 / 8)[0]


def _wanted(at: Cell, size: int) -> int:
    if at.per_call:
        return at.effort.pick(128, 1024, 2**14) // (8 if size == SIZES[-1] else 1)
    smallest = at.effort.pick(1024, 2**13, 2**17)
    return int(CALLS_OF.get(size, 0.0) * smallest) or at.effort.pick(16, 64, 512)


def _decisions(at: Cell) -> dict[int, int]:
    """Return the decisions at each size; those that can be read, where they were recorded."""
    if not at.blocks:
        return {size: _calls(at, size) * (1 if at.per_call else size) for size in _batches(at)}
    sizes = Counter[int]()
    for block in at.blocks:
        sizes[block.shape[0]] += block.decisions
    return {size: sizes[size] for size in sorted(sizes) if sizes[size]}


def _furthest(seen: Seen) -> tuple[float, Batches]:
    """Return the smallest p-value of a size against the others, before any correction, and that size."""
    kept = [batches.kept for batches in seen.batches]
    decisions = [batches.decisions for batches in seen.batches]
    tests = [one_against_rest(kept, decisions, index) for index in range(len(kept))]
    return min(tests), seen.batches[tests.index(min(tests))]
