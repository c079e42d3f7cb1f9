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

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.dependence import correlation, table
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import interior, mask_lines, per_cell, resolved, runs, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Target

LAGS = (1, 2, 3, 4, 5, 6, 7, 8)
PHASES = (None, 0, 1)  # all calls, those of even number, those of odd number
DROP_PROBS = (0.3, 0.5, 0.7)
BATCH = 16_384


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the probabilities at which structure shows; the dtype has no part in it."""
    return (Case(device, "float32", p, effort=effort) for p in DROP_PROBS)


def _sizes(case: Case) -> tuple[int, int]:
    """Return calls and batch of the search, and of the confirmation alike."""
    if case.dialect.granularity == "batch":
        return case.effort.pick(2**11, 2**13, 2**16), 1
    return case.effort.pick(16, 80, 320), BATCH


def _pairs(masks: npt.NDArray[np.bool_], lag: int, phase: int | None) -> tuple[npt.NDArray[np.bool_], ...]:
    """Return disjoint pairs of calls ``lag`` apart; with a phase, pairs whose first call has that parity."""
    masks = masks[phase or 0 :]
    starts = np.arange(len(masks) - lag)
    chosen = starts // lag % 2 == 0
    if phase is not None:
        chosen &= starts % 2 == 0
    starts = starts[chosen]
    return masks[starts], masks[starts + lag]


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Search lags and phases, then draw the table of the most suspicious afresh."""
    source = MaskSource(target, case)
    masks = source.draw(*_sizes(case))
    scores = {}
    for lag in LAGS:
        for phase in PHASES:
            first, second = _pairs(masks, lag, phase)
            scores[lag, phase] = abs(correlation(table(first, second))) * first.size**0.5
    lag, phase = max(scores, key=lambda key: scores[key])
    fresh = source.draw(*_sizes(case))
    return {"lag": lag, "phase": phase, "search_z": scores[lag, phase], "table": table(*_pairs(fresh, lag, phase))}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where the proposed relation is real."""
    from droppath_audit.stats.exact import hypergeometric_test

    counts = evidence["table"]
    which = {None: "calls", 0: "calls of even number", 1: "calls of odd number"}[evidence["phase"]]
    looked_at = evidence.get("looked_at", 1)  # where the same calls were searched, every relation counts
    p_value = min(1.0, looked_at * hypergeometric_test(*counts))
    observed = (
        f"{which} and the {evidence['lag']} later: correlation {correlation(counts):+.4f} at the same position "
        f"in {sum(counts)} {'fresh ' if looked_at == 1 else ''}pairs, p = {p_value:.2g}"
    )
    if p_value <= alpha:
        return Verdict.failed(observed, promised="independent calls", p_value=p_value)
    return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the correlation that the confirmation sees with the quarter of the calls that begin a pair at least."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric

    assert case.drop_prob is not None  # noqa: S101
    calls, batch = _sizes(case)
    resolves = detectable_hypergeometric(calls * batch // 4, 1.0 - case.drop_prob, alpha, BETA)
    return Design(resolves, "correlation between calls", 2 * calls * batch)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares masks of successive calls."""
    assert case.drop_prob is not None  # noqa: S101
    lag = evidence["lag"]
    phase = evidence["phase"]
    q = 1.0 - case.drop_prob
    step = f"range({phase or 0}, {64 - lag}, {1 if phase is None else 2})"
    lines = [*code.setup(), *code.construct(case.drop_prob), *code.input((16384, 1), "float32", case.device)]
    return "\n".join([
        *lines,
        f"masks = [({code.output(case.drop_prob)} != 0) * 1.0 - {q!r} for _ in range(64)]",
        f"pairs = [float((masks[i] * masks[i + {lag}]).mean()) for i in {step}]",
        f"correlation = sum(pairs) / len(pairs) / {q * (1.0 - q)!r}",
        f"print('correlation of masks {lag} calls apart:', correlation)",
        "assert abs(correlation) < 9 / (len(pairs) * 16384) ** 0.5  # one run in 10^10 of independent calls",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each cell of which two whole calls were recorded one after the other, as far as is known."""
    cases = per_cell([block for block in blocks if interior(block) and block.whole], effort)
    return (case for case in cases if sum(block.whole for block in case.blocks) > 1)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Search and test the same calls, for none can be drawn afresh; the judge allows for how much was looked at."""
    found = [run.masks for run in runs(recording, case) if len(run.masks) > 1]
    if not found:
        raise NotApplicable("no two successive calls of one layer can be read altogether")
    decisions = sum(masks.size for masks in found)
    tables = {}
    for lag in LAGS:
        for phase in PHASES:
            pairs = [_pairs(masks, lag, phase) for masks in found if len(masks) > lag]
            if 4 * sum(first.size for first, _ in pairs) >= decisions:  # as the design says
                counts = np.sum([table(first, second) for first, second in pairs if first.size], axis=0)
                tables[lag, phase] = [int(count) for count in counts]
    if not tables:
        raise NotApplicable("the runs of successive calls are too short to be compared")
    scores = {key: abs(correlation(counts)) * sum(counts) ** 0.5 for key, counts in tables.items()}
    lag, phase = max(scores, key=lambda key: scores[key])
    return {"lag": lag, "phase": phase, "search_z": scores[lag, phase], "table": tables[lag, phase],
            "looked_at": len(LAGS) * len(PHASES)}  # fmt: skip


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the correlation that is seen with the quarter of the decisions that begin a pair at least."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric

    assert case.drop_prob is not None  # noqa: S101
    decisions = sum(block.whole * block.width for block in case.blocks)
    level = alpha / (len(LAGS) * len(PHASES))
    found = detectable_hypergeometric(decisions // 4, 1.0 - case.drop_prob, level, BETA)
    return Design(resolved(found), "correlation between calls", decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the masks of recorded calls."""
    lag, phase = evidence["lag"], evidence["phase"]
    chosen = f"i // {lag} % 2 == 0" + ("" if phase is None else " and i % 2 == 0")
    each = [*mask_lines(case), "masks += list(kept.reshape(len(y), -1))"]
    after = [
        f"masks = masks[{phase or 0}:]  # one after the other",
        f"pairs = [(masks[i], masks[i + {lag}]) for i in range(len(masks) - {lag}) if {chosen}]",
        "first, second = (np.concatenate(part) for part in zip(*[(a, b) for a, b in pairs if len(a) == len(b)]))",
        "correlation = np.corrcoef(first, second)[0, 1]",
        f"print('correlation of masks {lag} calls apart:', correlation)",
        "assert abs(correlation) < 6 / len(first) ** 0.5  # six standard deviations",
    ]
    return script(case, code, each, after, before=["masks = []"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("frozen_after_first_call", "alternates_with_its_complement", "reseeds_every_call"),
    design=design,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        "the recording has no two calls that can be read altogether, at one drop_prob inside (0, 1)",
        recorded_design,
    ),
)
