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

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import chunks, interior, per_cell
from droppath_audit.sampling.recorded_groups import groups_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Target

DROP_PROB, BATCH = 0.3, 1024


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in how often a layer was called."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def _spans(case: Case) -> list[int]:
    """Return the calls of each span: 1, 1, 2, 4, …; their sum is a power of two."""
    # One decision a call: a span needs some hundred calls.
    doublings = case.effort.pick(11 if case.dialect.granularity == "batch" else 9, 13, 16)
    return [1, *(2**power for power in range(doublings))]


def _batch(case: Case) -> int:
    return 1 if case.dialect.granularity == "batch" else BATCH


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count what is kept in each span, in order, from the first call on."""
    source, spans = MaskSource(target, case), _spans(case)
    return {
        "kept": [int(source.draw(calls, _batch(case)).sum()) for calls in spans],
        "decisions": [calls * _batch(case) for calls in spans],
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where the spans differ by more than chance."""
    from droppath_audit.stats.homogeneity import all_alike

    kept, decisions = evidence["kept"], evidence["decisions"]
    fit = all_alike(kept, decisions)
    if fit is None:
        return Verdict.not_applicable("nearly all samples met the same fate, so there is no drift to see (see DP102)")
    furthest = _furthest(evidence)
    calls = evidence.get("calls") or _spans(case)
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


def _furthest(evidence: Evidence) -> int:
    """Return the span whose share is most standard deviations from that of all."""
    kept, decisions = evidence["kept"], evidence["decisions"]
    share = sum(kept) / sum(decisions)
    scores = [abs(k - share * n) / max(n, 1) ** 0.5 for k, n in zip(kept, decisions, strict=True)]
    return scores.index(max(scores))


def design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen between the first half of the calls and the second."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_chi_square

    spans = _spans(case)
    decisions = sum(spans) * _batch(case)
    # Halves that differ by d: w² = d²/(4pq).
    effect = detectable_chi_square(decisions, len(spans) - 1, alpha, BETA)
    resolves = min(1.0, 2.0 * effect * (DROP_PROB * (1.0 - DROP_PROB)) ** 0.5)
    return Design(resolves, "keep probability, earlier and later calls", decisions)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the span furthest off with calls before or after it."""
    furthest = _furthest(evidence)
    spans, batch = _spans(case), _batch(case)
    first, length = sum(spans[:furthest]), spans[furthest]
    last = furthest == len(spans) - 1
    other = (0, length) if last else (sum(spans) - spans[-1], spans[-1])
    n = batch * min(length, other[1])
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((batch, 1), "float32", case.device)]
    return "\n".join([
        *lines,
        f"kept = [float(({code.output(DROP_PROB)} != 0).double().mean()) for _ in range({sum(spans)})]",
        f"one, other = kept[{first}:{first + length}], kept[{other[0]}:{sum(other)}]",
        "shares = sum(one) / len(one), sum(other) / len(other)",
        f"print('kept in calls {first + 1} to {first + length} and {other[0] + 1} to {sum(other)}:', shares)",
        f"assert abs(shares[0] - shares[1]) <= 6 * (2 * 0.25 / {n}) ** 0.5  # standard deviations, at most",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield each cell and batch size with two calls of one layer; sizes that follow on each other are DP110's."""
    found = per_cell([block for block in blocks if interior(block) and block.decisions], effort, by_batch=True)
    return (case for case in found if _recorded_calls(case) > 1)


def _firsts(case: Case) -> list[tuple[BlockFacts, int]]:
    """Return the blocks of a case, each with the number of calls of its layer at this cell that came before."""
    calls: dict[str, int] = {}
    found = []
    for block in sorted(case.blocks, key=lambda block: (block.layer, block.call)):
        found.append((block, calls.get(block.layer, 0)))
        calls[block.layer] = found[-1][1] + block.calls
    return found


def _recorded_calls(case: Case) -> int:
    """Return the calls of the layer that was called most often."""
    return max(first + block.calls for block, first in _firsts(case))


def _recorded_spans(case: Case) -> list[int]:
    """Return the calls of each span: the last is half of all, the one before half of what is left, and so on."""
    left, spans = _recorded_calls(case), []
    while left:
        spans.append(left - left // 2)
        left //= 2
    return spans[::-1]


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count what was kept in each span of the calls of every layer, in order."""
    spans, firsts = _recorded_spans(case), {block.index: first for block, first in _firsts(case)}
    kept, decisions = np.zeros((2, sum(spans)), dtype=np.int64)
    for chunk in chunks(recording, case):
        mask, seen = chunk.decisions(case.dialect.granularity)
        first = firsts[chunk.facts.index] + chunk.first - chunk.facts.call
        kept[first : first + len(mask)] += (mask & seen).sum(axis=1)
        decisions[first : first + len(mask)] += seen.sum(axis=1)
    starts = np.cumsum([0, *spans[:-1]])
    return {
        "kept": np.add.reduceat(kept, starts).tolist(),
        "decisions": np.add.reduceat(decisions, starts).tolist(),
        "calls": spans,
    }


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen between the second half of the calls and the first."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_chi_square
    from droppath_audit.stats.homogeneity import neighbours

    assert case.drop_prob is not None  # noqa: S101
    keep_prob, spans = 1.0 - case.drop_prob, _recorded_spans(case)
    each = np.zeros(sum(spans))
    for block, first in _firsts(case):
        each[first : first + block.calls] += block.decisions / block.calls
    decisions = np.add.reduceat(each, np.cumsum([0, *spans[:-1]])).astype(int).tolist()
    groups, total, quantity = neighbours(decisions, keep_prob), case.decisions, "keep probability of later calls"
    if len(groups) < 2:
        return Design(inf, quantity, total)
    # A share f of all that differs by d from the rest: w² = d² f (1 - f)/(pq).
    later = sum(decisions[groups[-1].start :]) / total
    effect = detectable_chi_square(total, len(groups) - 1, alpha, BETA)
    found = effect * (keep_prob * case.drop_prob / (later * (1.0 - later))) ** 0.5
    return Design(found if found < max(keep_prob, case.drop_prob) else inf, quantity, total)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the spans of the recorded calls."""
    from droppath_audit.stats.homogeneity import neighbours

    kept, decisions, calls = evidence["kept"], evidence["decisions"], evidence["calls"]
    starts = [sum(calls[: group.start]) for group in neighbours(decisions, sum(kept) / sum(decisions))]
    numbers = [(block.index, block.calls if code.recording == "calls" else 1, first) for block, first in _firsts(case)]
    return groups_script(
        case,
        code,
        [
            "first = next(call + block - start for start, number, call in firsts if start <= block < start + number)",
            f"group = np.searchsorted({starts}, first + np.arange(len(y)), side='right') - 1",
            "group = np.broadcast_to(group[:, None], kept.shape)",
        ],
        len(starts),
        f"calls from {', '.join(str(start + 1) for start in starts)} on",
        before=[f"firsts = {numbers}  # block, how many, and the calls of its layer before it"],
    )


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("warms_up_by_itself", "decays_with_every_call", "first_call_is_identity", "early_only"),
    design=design,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        "the recording has no two calls of one layer with batches of one size, at one drop_prob inside (0, 1)",
        recorded_design,
    ),
)
