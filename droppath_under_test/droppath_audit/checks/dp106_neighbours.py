"""DP106 neighbours: decisions within a batch are independent of each other.

What it checks
    Every lag up to half the batch and every mirror image in batches of 65 536, and every pair of positions in batches
    of 2, 3, 4, 8 and 64, are searched for the most suspicious relation; one exact test on fresh decisions says whether
    it is real. Beside it, the 16 patterns of four neighbours are counted against what the keep frequency makes of
    independent ones, by the likelihood-ratio statistic G: three decisions can be dependent of which every two are not.
Why it matters
    Samples that share their fate are fewer samples: gradients of a batch become noisier than its size says, and a mask
    that repeats makes the same samples train the same sub-networks.
How to fix
    Draw one random number for every sample; do not tile, mirror, repeat or complement a shorter draw.
Seen in
    torch inductor on CUDA, whose masks repeated in fours: pytorch issue 198333. DINOv2's subset of fixed size, of whose
    two samples exactly one is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import WHOLE_CALLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.calls import widest
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.dependence import Proposal, Table, correlation, most_suspicious, paired, places, table
from droppath_audit.probes.patterns import counts_of_patterns, probabilities_of_patterns
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.chi_square import MINIMUM_EXPECTED, ChiSquare, goodness_of_fit
from droppath_audit.stats.design import detectable_hypergeometric
from droppath_audit.stats.exact import hypergeometric_test

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

LONG, SHORT = 65_536, (2, 3, 4, 8, 64)
# The largest of 10^5 independent z scores lies below this in all but one of a hundred searches.
NOISE = 5.5
SEARCHED = 2**24  # decisions that are searched at most
PAIRED = 256  # largest batch of a recording of which every pair is looked at
NEIGHBOURS = 4
BRIEF = 1 / 12  # of the time that is left, which each size of short calls may take: long ones see most
PROMISED = "independent decisions"
SHORT_CALLS = (600, 2048, 16_384)  # by effort; they show correlations of .41, .22 and .08 between two positions
ENOUGH = 200.0  # expected in the rarest pattern, by what is promised; what is observed leaves as many as G asks for


@dataclass(frozen=True)
class Seen:
    """The most suspicious relation, its table on decisions that are tested, and how often each pattern occurred.

    ``multiplicity`` is 1 where these decisions are fresh, and otherwise the number of relations that were looked at in
    them.
    """

    proposal: Proposal
    table: Table
    multiplicity: int
    patterns: tuple[int, ...]

    @property
    def p_value(self) -> float:
        """Of the relation alone, not bounded by 1."""
        return self.multiplicity * hypergeometric_test(*self.table)

    def fit(self, at: Cell) -> ChiSquare | None:
        """Return the statistic of the patterns; None where they are too few, or all decisions alike."""
        patterns = np.array(self.patterns)
        if _tests(at, sum(self.patterns)) == 1:
            return None
        expected = patterns.sum() * probabilities_of_patterns(patterns)
        return goodness_of_fit(patterns, expected) if expected.min() >= MINIMUM_EXPECTED else None


class Neighbours(Check[Seen, Cell]):
    where = Cells((0.3, 0.5, 0.7), ("float32",))  # where structure shows; the dtype has no part in it
    in_variants = Cells((0.5,), ("float32",))
    recorded = WHOLE_CALLS
    causes = ("seeding", "other_generator")
    mutants = (
        "pairs_of_samples",
        "antithetic_halves",
        "mirrored_batch",
        "period_of_a_thousand",
        "fixed_count",
        "third_from_two",
        "repeats_in_fours_while_compiled",
    )

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A batch that is one decision has no neighbours."""
        return "a batch is one decision" if at.per_call else ""

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the correlation at a lag that is seen; of a recording, in a third of all decisions at least."""
        quantity = "correlation at any lag"
        if not at.blocks:
            return Design(_resolves(at, alpha), quantity, (_search_calls(at) + _confirm_calls(at)) * _long(at))
        width = max(block.width for block in at.blocks)
        calls = sum(block.whole for block in at.blocks if block.width == width)
        tests = _tests(at, width // NEIGHBOURS * calls) * _looked_at(width)
        found = detectable_hypergeometric(calls * width // 3, at.keep_prob, alpha / tests, BETA)
        return Design(resolved(found), quantity, calls * width)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Search, then take the table of the proposed relation on decisions that were not searched."""
        at = probe.at
        short_calls, _ = at.within(at.effort.pick(*SHORT_CALLS), sum(SHORT), share=0.25)
        short = [widest(probe.decisions(short_calls, batch, share=BRIEF)) for batch in (() if at.blocks else SHORT)]
        found = probe.decisions(_search_calls(at), _long(at))
        masks = widest(found)
        width = masks.shape[1]
        searched = masks[: max(1, SEARCHED // width)]
        proposal = most_suspicious(searched, *short, *[searched] * (width <= PAIRED))
        calls, batch = (short_calls, proposal.batch) if proposal.kind == "pair" else (_confirm_calls(at), _long(at))
        tested = widest(probe.afresh(found, calls, batch))
        return Seen(
            proposal,
            table(*paired(tested, proposal)),
            probe.multiplicity(_looked_at(width)),
            counts_of_patterns(masks, NEIGHBOURS),
        )

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the proposed relation is real, or where patterns are too rare or too frequent."""
        windows = sum(seen.patterns)
        tests, fit = _tests(at, windows), seen.fit(at)
        p_value = min(1.0, tests * seen.p_value)
        observed = (
            f"{seen.proposal.describe()}: correlation {correlation(seen.table):+.4f} in {sum(seen.table)} "
            f"{'fresh ' if seen.multiplicity == 1 else ''}pairs, p = {p_value:.2g}"
        )
        if p_value <= alpha:
            return Verdict.failed(observed, promised=PROMISED, p_value=p_value)
        observed = f"most suspicious were {observed}"
        if fit is None:
            return Verdict.passed(observed, p_value=p_value)
        p_patterns = min(1.0, tests * fit.p_value)
        counted = (
            f"patterns of {NEIGHBOURS} neighbours in {windows} windows: G = {fit.g:.1f}, "
            f"{fit.degrees_of_freedom} degrees of freedom, p = {p_patterns:.2g}"
        )
        if p_patterns <= alpha:
            patterns = np.array(seen.patterns)
            expected = windows * probabilities_of_patterns(patterns)
            most = int(np.argmax(np.abs(patterns - expected) / np.sqrt(expected)))
            shown = f"{most:0{NEIGHBOURS}b} came {patterns[most]} times, {expected[most]:.0f} expected"
            return Verdict.failed(f"{counted}; {shown}", promised=PROMISED, p_value=p_patterns)
        return Verdict.passed(f"{observed}; {counted}", p_value=min(p_value, p_patterns))

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Show the correlation of the relation that was found, or the patterns, whichever stands out."""
        fit, proposal = seen.fit(at), seen.proposal
        if fit is not None and fit.p_value < seen.p_value:
            _show_patterns(script)
            return
        first, second, pairs, least = places(proposal)
        # Enough for eleven standard deviations.
        calls = max(least, math.ceil((11.0 / max(abs(correlation(seen.table)), 2e-3)) ** 2 / pairs))
        script.add("pairs = []")
        script.each(
            *script.masks(), f"pairs.append([kept[:, {first}], kept[:, {second}]])",
            shape=script.shape(proposal.batch), calls=calls, blocks=lambda block: block.width == proposal.batch,
        )  # fmt: skip
        script.add("first, second = (np.concatenate(part) for part in zip(*pairs))")
        script.correlate("first", "second", proposal.describe())


def _resolution(at: Cell) -> float:
    return at.effort.pick(0.02, 0.005, 0.0025)


def _long(at: Cell) -> int:
    """Return the samples of a long call."""
    return at.within(_search_calls(at) + _confirm_calls(at), LONG, share=0.75)[1]


def _resolves(at: Cell, alpha: float) -> float:
    """Return the correlation that is searched for; with fewer decisions, the one that stands out and is confirmed."""
    if at.sample == 1:
        return _resolution(at)
    long = _long(at)
    calls, _ = at.within(_search_calls(at) + _confirm_calls(at), LONG, share=0.75)
    if calls < _search_calls(at) + _confirm_calls(at):
        return math.inf
    tests = _tests(at, long // NEIGHBOURS * _search_calls(at))
    confirmed = detectable_hypergeometric(_confirm_calls(at) * long // 3, at.keep_prob, alpha / tests, BETA)
    return resolved(max((NOISE + 3.1) / math.sqrt(_search_calls(at) * long), confirmed, _resolution(at)))


def _search_calls(at: Cell) -> int:
    """Return the long calls in which a correlation of the resolution stands out from the noise, with β to spare."""
    return max(2, round(((NOISE + 3.1) / _resolution(at)) ** 2 / LONG))


def _confirm_calls(at: Cell) -> int:
    """Return the long calls whose disjoint pairs, a third of all at least, confirm a correlation of the resolution."""
    return max(2, round(3.0 * (10.0 / _resolution(at)) ** 2 / LONG))


def _tests(at: Cell, windows: int) -> int:
    """Return the number of tests: that of a relation, and that of the patterns where there are enough of them."""
    return 2 if windows * min(at.drop_prob, 1.0 - at.drop_prob) ** NEIGHBOURS >= ENOUGH else 1


def _looked_at(width: int) -> int:
    """Return how many relations are searched in a recording: lags, mirror images and, in small batches, pairs."""
    return width // 2 + 2 * width - 1 + (width * (width - 1) // 2 if width <= PAIRED else 0)


def _show_patterns(script: Script) -> None:
    """Write a script that fails where the patterns of neighbours are not those of independent decisions."""
    k, patterns = NEIGHBOURS, 2**NEIGHBOURS
    script.add(f"counts = np.zeros({patterns})")
    script.each(
        *script.masks(),
        f"windows = kept[:, : kept.shape[1] // {k} * {k}].reshape(-1, {k})",
        f"counts += np.bincount(windows @ {[2**bit for bit in reversed(range(k))]}, minlength={patterns})",
        shape=script.shape(LONG),
        calls=16,
    )
    script.add(
        f"kept = np.array([bin(pattern).count('1') for pattern in range({patterns})])",
        f"n, q = counts.sum(), kept @ counts / counts.sum() / {k}",
        f"expected = n * q**kept * (1 - q) ** ({k} - kept)",
        f"for pattern in range({patterns}):",
        f"    print(f'{{pattern:0{k}b}} came', counts[pattern], 'times, expected', expected[pattern].round())",
        "chi_square = ((counts - expected) ** 2 / expected).sum()",
        "assert chi_square < 90  # 14 degrees of freedom: one run in 10^12 of independent decisions",
    )
