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

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
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
    first = sum(decisions[:furthest]) // _batch(case)
    here = kept[furthest] / decisions[furthest]
    rest = (sum(kept) - kept[furthest]) / (sum(decisions) - decisions[furthest])
    observed = (
        f"calls {first + 1} to {first + decisions[furthest] // _batch(case)} kept {here:.4f}, the others {rest:.4f}; "
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
    scores = [abs(k - share * n) / n**0.5 for k, n in zip(kept, decisions, strict=True)]
    return scores.index(max(scores))


def design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen between the first half of the calls and the second."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import chi_square_detectable

    spans = _spans(case)
    decisions = sum(spans) * _batch(case)
    # Halves that differ by d: w² = d²/(4pq).
    effect = chi_square_detectable(decisions, len(spans) - 1, alpha, BETA)
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


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("warms_up_by_itself", "decays_with_every_call", "first_call_is_identity", "early_only"),
    design=design,
)
