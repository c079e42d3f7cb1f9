"""DP708 ranks: under ``torch.distributed``, ranks with one seed decide alike, and with different seeds independently.

What it checks
    Four processes join a process group (gloo, on this machine), seed the framework, construct the layer and call it.
    Ranks 0 and 1 have one seed, 2 and 3 another: the two of a pair must have the same masks, and the masks of rank 0
    and rank 2 are tested for dependence, position by position, by one exact test, and by another for the share that
    they keep, which must be the one that was asked for. A target can declare another policy by ``across``: with
    ``pairs`` every rank has a seed of its own, with ``pairs-of-one-seed`` all have the same, and either way the two of
    a pair must have the same masks and pairs independent ones, as tensor-parallel pairs that are data-parallel to each
    other need it.
Why it matters
    Data-parallel ranks that drop the same samples draw one mask for all: the noise that their average is to reduce is
    left in. Tensor-parallel ranks that drop different ones add halves of branches that do not belong together. A share
    that is off among ranks alone trains with another rate than any test on one process shows.
How to fix
    Draw from the framework's default generator in the call, and seed ranks as they are to decide. Where ranks must
    decide alike whatever their seeds, draw on one and broadcast, or draw from a generator that their group shares.
Seen in
    Layers with a generator of their own and a constant seed, and layers that seed one by their rank. Pairs that agree
    by the maximum of their masks, so that a sample is kept where either would keep it.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Forking
from droppath_audit.frameworks.manners import Ranking
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.concurrency import in_processes
from droppath_audit.probes.dependence import Table, correlation
from droppath_audit.scripts import ranks
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_hypergeometric
from droppath_audit.stats.exact import binomial_test, hypergeometric_test

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH, CALLS = 65_536, 2048
SEEDS = {"seeds": (0, 0, 1, 1), "pairs": (0, 1, 2, 3), "pairs-of-one-seed": (0, 0, 0, 0)}
"""Which ranks have which seed, by the policy; 0 and 1, and 2 and 3, decide alike under each."""
SECONDS = 20.0  # which takes half a second where nothing else runs
MET, APART = b"+", b"-"  # what an answer begins with: of a rank that met the others, and of one that met none


@dataclass(frozen=True)
class Seen:
    """What four ranks decided.

    Attributes:
        problems: What came in their way.
        differing: Positions at which the two of a pair decided differently, of both pairs.
        table: Decisions of rank 0 with those of rank 2 at the same position.
        features: Of a sample.
    """

    problems: tuple[str, ...]
    differing: int
    table: Table
    features: tuple[int, ...]

    @property
    def decisions(self) -> int:
        """Of rank 0 and rank 2 together."""
        return 2 * sum(self.table)

    @property
    def kept(self) -> int:
        """Decisions of them that kept."""
        both, first, second, _ = self.table
        return 2 * both + first + second


class Ranks(Check[Seen, Cell]):
    level = Level.SHOULD
    where = Cells((0.5,), ("float32",))  # neither the dtype nor the probability has a part in who draws
    driven = "it must be called in ranks"
    needs = (Forking, Ranking)
    causes = ("seeding", "other_generator")
    mutants = (
        "generator_of_its_own",
        "draws_from_numpy",
        "SeedsByProcess",
        "shifts_by_rank",
        "shares_its_rate_among_ranks",
    )

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the correlation that is seen between two ranks."""
        calls, batch = _sizes(at)
        resolves = detectable_hypergeometric(calls * batch, at.keep_prob, alpha / 2.0, BETA)
        return Design(resolved(resolves), "correlation between ranks", len(SEEDS["seeds"]) * calls * batch)

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Call a layer in four forks that are ranks, and compare their masks."""
        at, framework = probe.at, probe.framework
        if hazard := probe.ask(Forking).fork_hazard(at.device):
            raise NotApplicable(hazard)
        ranking = probe.ask(Ranking)
        calls, batch = _sizes(at)
        shape = probe.shape(batch, wide=True)
        seeds = [int(seed) for seed in probe.rng.integers(2**31, size=4)]

        def masks(rank: int, meeting: str) -> bytes:
            context = ranking.as_rank(rank, 4, meeting)
            try:
                context.__enter__()
            except Exception as error:
                return APART + str(error).encode()
            # A launched process shares no state with another; a fork does.
            np.random.seed()
            random.seed()
            framework.seed(seeds[SEEDS[at.dialect.across][rank]])
            layer, x = probe.make(at.drop_prob), probe.ones(shape)
            outputs = [framework.numpy(layer(x, training=True)) for _ in range(calls)]
            kept = np.concatenate([output.reshape(batch, -1)[:, 0] != 0 for output in outputs])
            context.__exit__(None, None, None)
            return MET + np.packbits(kept).tobytes()

        with tempfile.TemporaryDirectory() as folder:
            meeting = str(Path(folder) / "meeting")
            ran = in_processes([partial(masks, rank, meeting) for rank in range(4)], SECONDS)
        answers = [one.value for one in ran if not one.problem]
        if apart := [answer[1:].decode(errors="replace") for answer in answers if answer.startswith(APART)]:
            raise NotApplicable(f"no process group of ranks can be had here: {apart[0].splitlines()[0]}")
        if problems := sorted({one.problem.replace("forked process", "rank") for one in ran if one.problem}):
            return Seen(tuple(problems), 0, (0, 0, 0, 0), shape[1:])
        packed = [np.frombuffer(answer.removeprefix(MET), np.uint8) for answer in answers]
        decided = [np.unpackbits(one, count=calls * batch).astype(bool) for one in packed]
        first, second = decided[0], decided[2]
        return Seen(
            (),
            sum(int(np.count_nonzero(decided[one] != decided[one + 1])) for one in (0, 2)),
            (
                int(np.count_nonzero(first & second)),
                int(np.count_nonzero(first & ~second)),
                int(np.count_nonzero(~first & second)),
                int(np.count_nonzero(~first & ~second)),
            ),
            shape[1:],
        )

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where a pair decides differently, or two pairs not independently or not as often as asked for."""
        promised = PROMISES[at.dialect.across]
        if seen.problems:
            return Verdict.failed("; ".join(seen.problems), promised=promised)
        if seen.differing:
            told = f"the two ranks of a pair decide differently in {seen.differing:,} of {seen.decisions:,}"
            return Verdict.failed(told, promised=promised)
        dependence, share = hypergeometric_test(*seen.table), binomial_test(seen.kept, seen.decisions, at.keep_prob)
        correlated = (
            f"two ranks of different pairs: correlation {correlation(seen.table):+.4f} at the same position in "
            f"{sum(seen.table):,} pairs of decisions, p = {dependence:.2g}"
        )
        kept = f"they kept {seen.kept:,} of {seen.decisions:,}, p = {share:.2g}"
        # Either of the two tests can fail the trial, so each has half of alpha.
        p_value = min(1.0, 2.0 * min(dependence, share))
        if p_value > alpha:
            return Verdict.passed(f"ranks of a pair have the same masks; {correlated}; {kept}", p_value=p_value)
        if dependence <= alpha / 2.0:
            return Verdict.failed(correlated, promised=promised, p_value=p_value)
        return Verdict.failed(f"as ranks, {kept}", promised=f"keep_prob {at.keep_prob:g} there too", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Join a process group in four forks, and compare masks as the check did."""
        shares = not seen.problems and not seen.differing and _shares(seen, at)
        calls, batch = _sizes(at) if shares else (256, 1) if at.per_call else (1, 4096)
        ranks.in_ranks(script, at.drop_prob, calls, batch, SEEDS[at.dialect.across])
        if seen.differing:
            script.add("assert masks[0] == masks[1] and masks[2] == masks[3], 'two ranks of a pair decide differently'")
        elif shares:
            script.add("kept = np.mean(masks[0] + masks[2])", "print('kept:', kept)")
            script.add(f"assert abs(kept - {at.keep_prob:g}) < {2.5 * calls**-0.5 * batch**-0.5:.3g}")
        else:
            script.add("ours, theirs = (np.array(masks[rank]) for rank in (0, 2))")
            script.correlate("ours", "theirs", "rank 0 with rank 2")


def _shares(seen: Seen, at: Cell) -> bool:
    """Return whether the share that is kept is what speaks against the layer."""
    return binomial_test(seen.kept, seen.decisions, at.keep_prob) < hypergeometric_test(*seen.table)


PROMISES = {
    "seeds": "ranks with one seed decide alike, ranks with different seeds independently",
    "pairs": "ranks of a pair decide alike whatever their seeds, pairs independently",
    "pairs-of-one-seed": "ranks of a pair decide alike, pairs independently, though all ranks have one seed",
}


def _sizes(at: Cell) -> tuple[int, int]:
    """Return the calls of each rank, and their batch."""
    return at.within(CALLS, 1, share=0.25) if at.per_call else at.within(1, BATCH, share=0.25)
