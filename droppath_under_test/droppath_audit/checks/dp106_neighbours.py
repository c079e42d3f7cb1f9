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

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.dependence import (
    Proposal,
    correlation,
    most_suspicious,
    paired,
    table,
    to_evidence,
)
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.patterns import counts_of_patterns, probabilities_of_patterns, shown_patterns
from droppath_audit.sampling.recorded import NO_WHOLE_CALLS, mask_lines, resolved, runs, script, whole_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target
    from droppath_audit.stats.chi_square import ChiSquare

LONG, SHORT = 65_536, (2, 3, 4, 8, 64)
DROP_PROBS = (0.3, 0.5, 0.7)
# The largest of 10^5 independent z scores lies below this in all but one of a hundred searches.
NOISE = 5.5
SEARCHED = 2**24  # decisions of a recording that are searched
PAIRED = 256  # largest batch of a recording of which every pair is looked at
NEIGHBOURS = 4
PROMISED = "independent decisions"
ENOUGH = 200.0  # expected in the rarest pattern, by what is promised; what is observed leaves as many as G asks for


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the probabilities at which structure shows; the dtype has no part in it."""
    return (Case(device, "float32", p, effort=effort) for p in DROP_PROBS)


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A batch that is one decision has no neighbours."""
    return "a batch is one decision" if facts.dialect.granularity == "batch" else ""


def _resolution(case: Case) -> float:
    return case.effort.pick(0.02, 0.005, 0.0025)


def _search_calls(case: Case) -> int:
    """Return the long calls in which a correlation of the resolution stands out from the noise, with β to spare."""
    return max(2, round(((NOISE + 3.1) / _resolution(case)) ** 2 / LONG))


def _confirm_calls(case: Case) -> int:
    """Return the long calls whose disjoint pairs, a third of all at least, confirm a correlation of the resolution."""
    return max(2, round(3.0 * (10.0 / _resolution(case)) ** 2 / LONG))


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Search, then draw the table of the proposed relation afresh."""
    source = MaskSource(target, case)
    short_calls = case.effort.pick(1024, 4096, 16_384)
    short = [source.draw(short_calls, batch) for batch in SHORT]
    searched = source.draw(_search_calls(case), LONG)
    proposal = most_suspicious(searched, *short)
    if proposal.kind == "pair":
        fresh = source.draw(short_calls, proposal.batch)
    else:
        fresh = source.draw(_confirm_calls(case), LONG)
    return {
        **to_evidence(proposal, table(*paired(fresh, proposal))),
        "patterns": counts_of_patterns(searched, NEIGHBOURS),
    }


def _tests(case: Case, windows: int) -> int:
    """Return the number of tests: that of a relation, and that of the patterns where there are enough of them."""
    assert case.drop_prob is not None  # noqa: S101
    rarest = min(case.drop_prob, 1.0 - case.drop_prob) ** NEIGHBOURS
    return 2 if windows * rarest >= ENOUGH else 1


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where the proposed relation is real, or where patterns are too rare or too frequent."""
    proposal = Proposal(evidence["relation"], tuple(evidence["offset"]), evidence["search_z"], evidence["batch"])
    patterns = np.array(evidence["patterns"])
    tests, fit = _tests(case, int(patterns.sum())), _fit(evidence, case)
    p_value = min(1.0, tests * _p_of_relation(evidence))
    pairs = f"{sum(evidence['table'])} {'' if 'looked_at' in evidence else 'fresh '}pairs"
    found = f"{proposal.describe()}: correlation {correlation(evidence['table']):+.4f} in {pairs}"
    observed = f"{found}, p = {p_value:.2g}"
    if p_value <= alpha:
        return Verdict.failed(observed, promised=PROMISED, p_value=p_value)
    observed = f"most suspicious were {observed}"
    if fit is None:
        return Verdict.passed(observed, p_value=p_value)
    p_patterns = min(1.0, tests * fit.p_value)
    counted = (
        f"patterns of {NEIGHBOURS} neighbours in {patterns.sum()} windows: G = {fit.g:.1f}, "
        f"{fit.degrees_of_freedom} degrees of freedom, p = {p_patterns:.2g}"
    )
    if p_patterns <= alpha:
        expected = patterns.sum() * probabilities_of_patterns(patterns)
        most = int(np.argmax(np.abs(patterns - expected) / np.sqrt(expected)))
        shown = f"{most:0{NEIGHBOURS}b} came {patterns[most]} times, {expected[most]:.0f} expected"
        return Verdict.failed(f"{counted}; {shown}", promised=PROMISED, p_value=p_patterns)
    return Verdict.passed(f"{observed}; {counted}", p_value=min(p_value, p_patterns))


def _p_of_relation(evidence: Evidence) -> float:
    """Return the p-value of the relation alone; where the same decisions were searched, every one looked at counts."""
    from droppath_audit.stats.exact import hypergeometric_test

    return float(evidence.get("looked_at", 1) * hypergeometric_test(*evidence["table"]))


def _fit(evidence: Evidence, case: Case) -> ChiSquare | None:
    """Return the statistic of the patterns; None where they are too few, or all decisions alike."""
    from droppath_audit.stats.chi_square import MINIMUM_EXPECTED, goodness_of_fit

    patterns = np.array(evidence["patterns"])
    if _tests(case, int(patterns.sum())) == 1:
        return None
    expected = patterns.sum() * probabilities_of_patterns(patterns)
    return goodness_of_fit(patterns, expected) if expected.min() >= MINIMUM_EXPECTED else None


def design(case: Case, alpha: float) -> Design:  # noqa: ARG001
    """Return the correlation at a lag that search and confirmation see."""
    decisions = (_search_calls(case) + _confirm_calls(case)) * LONG
    return Design(_resolution(case), "correlation at any lag", decisions)


def _pair_of(evidence: Evidence, batch: int) -> tuple[str, str]:
    """Return the two parts of one call's ``kept`` that the relation compares, the second one in terms of ``a``."""
    kind, offset = evidence["relation"], evidence["offset"]
    backwards = "a[::-1]" if "looked_at" in evidence else "a.flip(0)"  # of a recording's array or of a tensor
    return {
        "lag": (f"kept[:-{offset[0]}]", f"kept[{offset[0]}:]"),
        "mirror": (f"kept[max(0, {offset[0] - batch + 1}):{offset[0] + 1}]", backwards),
        "pair": (f"kept[{offset[0]}:{offset[0] + 1}]", f"kept[{offset[-1]}:{offset[-1] + 1}]"),
    }[kind]


def _related(evidence: Evidence, case: Case) -> bool:
    """Return whether the relation of two decisions is what stands out, rather than the patterns."""
    fit = _fit(evidence, case)
    return fit is None or _p_of_relation(evidence) <= fit.p_value


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the correlation of the relation that was found, or the patterns."""
    assert case.drop_prob is not None  # noqa: S101
    if not _related(evidence, case):
        kept = code.first_elements(f"({code.output(case.drop_prob)} != 0)", LONG)
        return "\n".join([
            *code.setup(),
            *code.construct(case.drop_prob),
            *code.input((LONG, 1), "float32", case.device),
            f"masks = [{kept}.tolist() for _ in range(16)]",
            *shown_patterns("masks", NEIGHBOURS),
        ])  # fmt: skip
    batch = evidence["batch"]
    calls = 4096 if evidence["relation"] == "pair" else 8
    first, second = _pair_of(evidence, batch)
    lines = [*code.setup(), *code.construct(case.drop_prob), *code.input((batch, 1), "float32", case.device)]
    kept = code.first_elements(f"({code.output(case.drop_prob)} != 0)", batch)
    return "\n".join([
        *lines,
        "total = n = 0",
        f"for _ in range({calls}):",
        f"    kept = {kept} * 1.0 - {1.0 - case.drop_prob!r}",
        f"    a = {first}",
        f"    b = {second}",
        "    total, n = total + float((a * b).sum()), n + len(a)",
        f"correlation = total / n / {case.drop_prob * (1.0 - case.drop_prob)!r}",
        "print('correlation:', correlation)",
        "assert abs(correlation) < 9 / n ** 0.5  # one run in 10^10 of independent decisions",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Search and test the same calls, for none can be drawn afresh; the judge allows for how much was looked at."""
    width = max(block.width for block in case.blocks)
    masks = np.concatenate([run.masks for run in runs(recording, case) if run.masks.shape[1] == width])
    short = [masks[: SEARCHED // width]] if width <= PAIRED else []
    proposal = most_suspicious(masks[: max(1, SEARCHED // width)], *short)
    return {
        **to_evidence(proposal, table(*paired(masks, proposal))),
        "looked_at": _looked_at(width),
        "patterns": counts_of_patterns(masks, NEIGHBOURS),
    }


def _looked_at(width: int) -> int:
    """Return how many relations are searched: lags, mirror images and, in small batches, pairs."""
    return width // 2 + 2 * width - 1 + (width * (width - 1) // 2 if width <= PAIRED else 0)


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the correlation at a lag that is seen in the disjoint pairs, a third of all decisions at least."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric

    assert case.drop_prob is not None  # noqa: S101
    width = max(block.width for block in case.blocks)
    decisions = width * sum(block.whole for block in case.blocks if block.width == width)
    tests = _tests(case, width // NEIGHBOURS * (decisions // width)) * _looked_at(width)
    found = detectable_hypergeometric(decisions // 3, 1.0 - case.drop_prob, alpha / tests, BETA)
    return Design(resolved(found), "correlation at any lag", decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the correlation of the relation that was found, or the patterns."""
    if not _related(evidence, case):
        each = [*mask_lines(case), "masks += kept.reshape(len(y), -1).tolist()"]
        return script(case, code, each, shown_patterns("masks", NEIGHBOURS), before=["masks = []"])
    batch, (first, second) = evidence["batch"], _pair_of(evidence, evidence["batch"])
    each = [
        *mask_lines(case),
        f"for kept in kept.reshape(-1, {batch}):",
        f"    a = {first}",
        f"    b = {second}",
        "    pairs.append([a, b])",
    ]
    after = [
        "first, second = np.concatenate(pairs, axis=1)",
        "correlation = np.corrcoef(first, second)[0, 1]",
        "print('correlation:', correlation)",
        "assert abs(correlation) < 6 / len(first) ** 0.5  # six standard deviations",
    ]
    return script(case, code, each, after, before=["pairs = []"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "pairs_of_samples",
        "antithetic_halves",
        "mirrored_batch",
        "period_of_a_thousand",
        "fixed_count",
        "third_from_two",
    ),
    design=design,
    applicable=applicable,
    recorded=Recorded(
        whole_calls,
        collect_recorded,
        show_recorded,
        NO_WHOLE_CALLS,
        recorded_design,
    ),
)
