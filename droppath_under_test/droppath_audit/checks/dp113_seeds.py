"""DP113 seeds: over many seeds, the first decision has the same law as any other.

What it checks
    For thousands of consecutive seeds the framework is seeded, an instance is built and called once on a few samples.
    The first decision and the first call are compared with decisions of later calls, exactly, given the share observed
    over all. First decisions of neighbouring seeds are searched for the most suspicious relation over all distances in
    one half of the seeds, which is tested exactly in the other half.
Why it matters
    Experiments are repeated with seeds 0, 1, 2: when the first mask follows the seed, or is the same for all, the
    repetitions share it and their spread says too little.
How to fix
    Draw from the framework's generator as it is; derive no seed of your own from it by arithmetic.
Seen in
    Home-made congruential generators seeded with the number given, whose first output grows with the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import TimeRanOut
from droppath_audit.core.grid import Cells
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.dependence import Proposal, Table, correlation, most_suspicious, paired, table
from droppath_audit.probes.inputs import ReusedInput
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.exact import hypergeometric_test
from droppath_audit.stats.homogeneity import detectable_one_against_rest, one_against_rest

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, BATCH = 0.3, 8
STATISTICS = 3
SHOWN = 4096  # seeds of a script


@dataclass(frozen=True)
class Seen:
    """What was kept by the first decisions of consecutive seeds, by their first calls, and later on.

    Attributes:
        start: The first of the seeds.
        seeds: Their number.
        batch: Samples of a call.
        first_kept: Seeds whose first decision kept.
        first_call_kept: Kept decisions of all first calls.
        later_kept: Kept decisions of the calls that came later.
        later_decisions: Their number.
        proposal: The most suspicious relation of first decisions, in the first half of the seeds.
        table: First decisions so related, in the second half.
    """

    start: int
    seeds: int
    batch: int
    first_kept: int
    first_call_kept: int
    later_kept: int
    later_decisions: int
    proposal: Proposal
    table: Table


class Seeds(Check[Seen, Cell]):
    where = Cells((DROP_PROB,), ("float32",))  # the dtype has no part in where random numbers come from
    driven = "it must be seeded, over and over"
    causes = ("overwriting", "seeding", "other_generator")
    mutants = (
        "first_mask_is_constant",
        "congruential_seed",
        "seed_modulo_a_thousand",
        "first_number_is_the_seed",
        "first_call_without_shift",
    )

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the difference that is seen between first decisions and later ones."""
        seeds, later = _seeds(at), int(np.prod(_later(at)))
        resolves = detectable_one_against_rest(seeds, later, at.keep_prob, alpha / STATISTICS, BETA)
        resolves = resolves if resolves < max(at.keep_prob, at.drop_prob) else inf
        return Design(resolves, "keep probability of the first decision", seeds * _batch(at) + later)

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Draw the first call after each of many consecutive seeds, and later calls after another."""
        at, framework, start, batch = probe.at, probe.framework, int(probe.rng.integers(2**31)), _batch(probe.at)
        shape = probe.shape(batch)
        masks = np.empty((_seeds(at), batch), dtype=np.bool_)
        time = probe.clock.part(2 / 3)
        x = ReusedInput(framework, lambda: probe.ones(shape))
        for number in range(len(masks)):
            if time.over():
                if number < 2:
                    raise TimeRanOut(f"time ran out after {number} of {len(masks)} seeds")
                masks = masks[: number // 2 * 2]
                break
            framework.seed(start + number)
            masks[number] = framework.kept(probe.make()(x.get(), training=True), batch)
        framework.seed(start + len(masks))
        source = probe.source()
        source.draw(1, batch)
        later = source.draw(*_later(at))
        probe.drawn += masks.size + later.size
        first = masks[:, 0].reshape(2, -1)
        proposal = most_suspicious(first[:1])
        return Seen(
            start,
            len(masks),
            batch,
            first_kept=int(first.sum()),
            first_call_kept=int(masks.sum()),
            later_kept=int(later.sum()),
            later_decisions=later.size,
            proposal=proposal,
            table=table(*paired(first[1:], proposal)),
        )

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where first decisions have another law than later ones, or hang together."""
        later, number = seen.later_kept, seen.later_decisions
        statistics = []
        for what, kept, decisions in (
            ("first decisions", seen.first_kept, seen.seeds),
            ("first calls", seen.first_call_kept, seen.seeds * seen.batch),
        ):
            text = f"{what} of {seen.seeds} seeds kept {kept / decisions:.4f}, later ones {later / number:.4f}"
            statistics.append((one_against_rest((kept, later), (decisions, number), 0), text))
        apart = "seeds {} apart" if seen.proposal.kind == "lag" else "seeds mirrored about the {}th half"
        text = f"first decisions of {apart.format(seen.proposal.offset[0])}: correlation {correlation(seen.table):+.4f}"
        statistics.append((hypergeometric_test(*seen.table), text))
        smallest, text = min(statistics)
        p_value = min(1.0, STATISTICS * smallest)
        observed = f"{text}, p = {p_value:.2g}"
        if p_value <= alpha:
            promised = "first decisions with the law of any other, independent between seeds"
            return Verdict.failed(observed, promised=promised, p_value=p_value)
        return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Draw first decisions after consecutive seeds."""
        (offset,), half = seen.proposal.offset, seen.seeds // 2
        if seen.proposal.kind == "lag":
            start, seeds = seen.start, max(SHOWN, 2 * offset)
            one, other, relation = f"first[:-{offset}]", f"first[{offset}:]", f"seeds {offset} apart"
        else:  # those seeds of the second half that the mirror leaves there
            start, seeds = seen.start + half + max(0, offset - half + 1), min(offset + 1, 2 * half - 1 - offset)
            one, other, relation = f"first[:{seeds // 2}]", f"first[::-1][:{seeds // 2}]", "mirrored seeds"
        calls, batch = _later(at)
        decisions = calls * batch
        script.ones(script.shape(seen.batch))
        script.add("masks = []")
        with script.under(f"for seed in range({start}, {start + seeds}):"):
            script.add(script.seed("seed"))
            script.layer(DROP_PROB)
            output = script.array(script.call(DROP_PROB))
            script.add(f"masks.append({output}.reshape({seen.batch}, -1)[:, 0] != 0)")
        script.ones(script.shape(batch))
        kept = f"({script.array(script.call(DROP_PROB))} != 0).mean()"
        script.add(
            "first, masks = np.array(masks)[:, 0], np.array(masks)",
            f"later = np.mean([{kept} for _ in range({calls})])",
            "print('kept of first decisions, first calls and later ones:', first.mean(), masks.mean(), later)",
            f"assert abs(first.mean() - later) <= 6 * (2 * 0.25 / {min(seeds, decisions)}) ** 0.5  # deviations",
            f"assert abs(masks.mean() - later) <= 6 * (2 * 0.25 / {min(seeds * seen.batch, decisions)}) ** 0.5",
        )
        script.correlate(one, other, f"first decisions of {relation}")


def _seeds(at: Cell) -> int:
    return at.within(at.effort.pick(1250, 20_000, 200_000) // 2, 2 * _batch(at), share=0.5)[0] * 2


def _batch(at: Cell) -> int:
    return 1 if at.per_call else BATCH


def _later(at: Cell) -> tuple[int, int]:
    """Return calls and samples of the decisions that are compared with the first; what depends on B is DP110's."""
    calls = at.effort.pick(512, 4096, 2**16) if at.per_call else at.effort.pick(3072, 12_500, 2**17)
    return at.within(calls, _batch(at), share=0.5)
