"""DP109 position: every position of the batch has the same keep probability.

What it checks
    In batches of 8 and of 64 the share kept at each position, by the likelihood-ratio statistic G, and the first and
    the last position against all the others, exactly. In batches of 65 536 the share kept in 64 blocks of neighbours,
    and in 64 classes of positions that leave the same remainder. All is judged given the share observed over all.
Why it matters
    Loaders that sort or do not shuffle put the same samples first: they would always, or never, train the branch. A
    remainder that a vectorised loop treats apart is the usual origin.
How to fix
    Decide for every sample alike; force no sample to be kept so that "the batch is never empty".
Seen in
    Layers that keep the first sample of a batch for gradients to flow; kernels with an unmasked remainder.
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
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.target import Target

DROP_PROB = 0.3
SHORT = (8, 64)
LONG, GROUPS = 65_536, 64
# Of each short batch the table, the first and the last position; of the long one two tables.
STATISTICS = 3 * len(SHORT) + 2


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where a sample stands."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A batch that is one decision has no positions."""
    return "a batch is one decision" if facts.dialect.granularity == "batch" else ""


def _short_calls(case: Case) -> int:
    return case.effort.pick(1024, 6144, 2**17)


def _long_calls(case: Case) -> int:
    return case.effort.pick(24, 200, 1600)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count how often each position, block and remainder is kept."""
    source = MaskSource(target, case)
    short = [
        {
            "batch": batch,
            "calls": _short_calls(case),
            "kept": source.draw(_short_calls(case), batch).sum(axis=0).tolist(),
        }
        for batch in SHORT
    ]
    # Eight calls at a time: what is kept of them fits into a cache.
    total = sum(source.draw(8, LONG).sum(axis=0) for _ in range(_long_calls(case) // 8))
    return {
        "short": short,
        "long_calls": _long_calls(case),
        "blocks": total.reshape(GROUPS, -1).sum(axis=1).tolist(),
        "remainders": total.reshape(-1, GROUPS).sum(axis=0).tolist(),
    }


def _statistics(evidence: Evidence) -> list[tuple[float, str, tuple[str, str, int]]]:
    """Return p-value, description and the place furthest off (batch kind, group kind, index) of every statistic."""
    from droppath_audit.stats.homogeneity import all_alike, one_against_rest

    found = []

    def describe(kept: list[int], decisions: int, index: int, name: str, batch: int) -> str:
        rest = (sum(kept) - kept[index]) / (decisions * (len(kept) - 1))
        return f"{name} in batches of {batch} kept {kept[index] / decisions:.4f}, the others {rest:.4f}"

    for part in evidence["short"]:
        batch, calls, kept = part["batch"], part["calls"], part["kept"]
        for index in (0, batch - 1):
            p_value = one_against_rest(kept, [calls] * batch, index)
            name = "the first position" if index == 0 else "the last position"
            found.append((p_value, describe(kept, calls, index, name, batch), (str(batch), "position", index)))
    tables: list[tuple[list[int], int, int, str]] = [
        *((part["kept"], part["calls"], part["batch"], "position") for part in evidence["short"]),
        (evidence["blocks"], evidence["long_calls"] * LONG // GROUPS, LONG, "block"),
        (evidence["remainders"], evidence["long_calls"] * LONG // GROUPS, LONG, "remainder"),
    ]
    for kept, decisions, batch, kind in tables:
        fit = all_alike(kept, [decisions] * len(kept))
        if fit is None:
            continue
        mean = sum(kept) / len(kept)
        index = max(range(len(kept)), key=lambda i, kept=kept, mean=mean: abs(kept[i] - mean))  # type: ignore[misc]
        text = (
            f"{describe(kept, decisions, index, f'{kind} {index}', batch)}; G = {fit.g:.1f}, "
            f"Pearson's X² = {fit.pearson:.1f}, {fit.degrees_of_freedom} degrees of freedom"
        )
        found.append((fit.p_value, text, (str(batch), kind, index)))
    return found


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where a position, block or remainder is kept more or less often than the others."""
    p_value, text, _ = min(_statistics(evidence))
    observed, p_value = f"{text}, p = {min(1.0, STATISTICS * p_value):.2g}", min(1.0, STATISTICS * p_value)
    if p_value <= alpha:
        return Verdict.failed(observed, promised="one keep probability at every position", p_value=p_value)
    return Verdict.passed(f"furthest off was {observed}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return what is seen of one position in a short batch; a block of a long one is resolved some times better."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.homogeneity import group_detectable

    share = alpha / STATISTICS
    calls = _short_calls(case)
    resolves = group_detectable(calls, SHORT[-1], 1.0 - DROP_PROB, share, BETA)
    return Design(resolves, "keep probability of a position", calls * sum(SHORT) + _long_calls(case) * LONG)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the place furthest off with the whole batch."""
    batch, kind, index = min(_statistics(evidence))[2]
    calls = 64 if int(batch) == LONG else 4096
    place = {
        "position": f"[{index}]",
        "block": f"[{index * LONG // GROUPS}:{(index + 1) * LONG // GROUPS}]",
        "remainder": f"[{index}::{GROUPS}]",
    }[kind]
    n = calls * (1 if kind == "position" else LONG // GROUPS)
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((int(batch), 1), "float32", case.device)]
    return "\n".join([
        *lines,
        f"kept = sum(({code.output(DROP_PROB)} != 0)[:, 0] * 1.0 for _ in range({calls})) / {calls}",
        f"here, everywhere = float(kept{place}.mean()), float(kept.mean())",
        "print('kept here:', here, 'and everywhere:', everywhere)",
        f"assert abs(here - everywhere) <= 7 * (everywhere * (1 - everywhere) / {n}) ** 0.5  # standard deviations",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "first_is_always_kept",
        "last_is_never_dropped",
        "ignores_its_first_number",
        "every_eighth_dropped_less",
        "tail_of_a_buffer",
    ),
    design=design,
    applicable=applicable,
)
