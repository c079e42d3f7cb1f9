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
from droppath_audit.sampling.recorded import NO_WHOLE_CALLS, mask_lines, resolved, runs, script, whole_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target

LONG, SHORT = 65_536, (2, 3, 4, 8, 64)
DROP_PROBS = (0.3, 0.5, 0.7)
# The largest of 10^5 independent z scores lies below this in all but one of a hundred searches.
NOISE = 5.5
SEARCHED = 2**24  # decisions of a recording that are searched
PAIRED = 256  # largest batch of a recording of which every pair is looked at


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
    looked_at = evidence.get("looked_at", 1)  # where the same decisions were searched, every relation counts
    p_value = min(1.0, looked_at * hypergeometric_test(*evidence["table"]))
    pairs = f"{sum(evidence['table'])} {'fresh ' if looked_at == 1 else ''}pairs"
    found = f"{proposal.describe()}: correlation {correlation(evidence['table']):+.4f} in {pairs}"
    observed = f"{found}, p = {p_value:.2g}"
    if p_value <= alpha:
        return Verdict.failed(observed, promised="independent decisions", p_value=p_value)
    return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)


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


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the correlation of the relation that was found."""
    assert case.drop_prob is not None  # noqa: S101
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
    return {**to_evidence(proposal, table(*paired(masks, proposal))), "looked_at": _looked_at(width)}


def _looked_at(width: int) -> int:
    """Return how many relations are searched: lags, mirror images and, in small batches, pairs."""
    return width // 2 + 2 * width - 1 + (width * (width - 1) // 2 if width <= PAIRED else 0)


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the correlation at a lag that is seen in the disjoint pairs, a third of all decisions at least."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import hypergeometric_detectable

    assert case.drop_prob is not None  # noqa: S101
    width = max(block.width for block in case.blocks)
    decisions = width * sum(block.whole for block in case.blocks if block.width == width)
    found = hypergeometric_detectable(decisions // 3, 1.0 - case.drop_prob, alpha / _looked_at(width), BETA)
    return Design(resolved(found), "correlation at any lag", decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that shows the correlation of the relation that was found."""
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
    mutants=("pairs_of_samples", "antithetic_halves", "mirrored_batch", "period_of_a_thousand", "fixed_count"),
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
