"""DP106 neighbours: decisions within a batch are independent of each other.

What it checks
    Every lag up to half the batch and every mirror image in batches of 65 536, and every pair of positions in batches
    of 2, 3, 4, 8 and 64, are searched for the most suspicious relation; one exact test on fresh decisions says whether
    it is real.
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

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.target import Target

LONG, SHORT = 65_536, (2, 3, 4, 8, 64)
DROP_PROBS = (0.3, 0.5, 0.7)
# The largest of 10^5 independent z scores lies below this in all but one of a hundred searches.
NOISE = 5.5


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
    proposal = most_suspicious(source.draw(_search_calls(case), LONG), *short)
    if proposal.kind == "pair":
        fresh = source.draw(short_calls, proposal.batch)
    else:
        fresh = source.draw(_confirm_calls(case), LONG)
    return to_evidence(proposal, table(*paired(fresh, proposal)))


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where the proposed relation is real."""
    from droppath_audit.stats.exact import hypergeometric_test

    proposal = Proposal(evidence["relation"], tuple(evidence["offset"]), evidence["search_z"], evidence["batch"])
    p_value = hypergeometric_test(*evidence["table"])
    pairs = sum(evidence["table"])
    found = f"{proposal.describe()}: correlation {correlation(evidence['table']):+.4f} in {pairs} fresh pairs"
    observed = f"{found}, p = {p_value:.2g}"
    if p_value <= alpha:
        return Verdict.failed(observed, promised="independent decisions", p_value=p_value)
    return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:  # noqa: ARG001
    """Return the correlation at a lag that search and confirmation see."""
    decisions = (_search_calls(case) + _confirm_calls(case)) * LONG
    return Design(_resolution(case), "correlation at any lag", decisions)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the correlation of the relation that was found."""
    assert case.drop_prob is not None  # noqa: S101
    kind, offset = evidence["relation"], evidence["offset"]
    batch = evidence["batch"]
    calls = 4096 if kind == "pair" else 8
    first, second = {
        "lag": (f"kept[:-{offset[0]}]", f"kept[{offset[0]}:]"),
        "mirror": (f"kept[max(0, {offset[0] - batch + 1}):{offset[0] + 1}]", "a.flip(0)"),
        "pair": (f"kept[{offset[0]}:{offset[0] + 1}]", f"kept[{offset[-1]}:{offset[-1] + 1}]"),
    }[kind]
    lines = [*code.setup(), *code.construct(case.drop_prob), *code.input((batch, 1), "float32", case.device)]
    return "\n".join([
        *lines,
        "total = n = 0",
        f"for _ in range({calls}):",
        f"    kept = ({code.output(case.drop_prob)} != 0)[:, 0] * 1.0 - {1.0 - case.drop_prob!r}",
        f"    a = {first}",
        f"    b = {second}",
        "    total, n = total + float((a * b).sum()), n + len(a)",
        f"correlation = total / n / {case.drop_prob * (1.0 - case.drop_prob)!r}",
        "print('correlation:', correlation)",
        "assert abs(correlation) < 9 / n ** 0.5  # one run in 10^10 of independent decisions",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("pairs_of_samples", "antithetic_halves", "mirrored_batch", "period_of_a_thousand", "fixed_count"),
    design=design,
    applicable=applicable,
)
