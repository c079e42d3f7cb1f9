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

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import NO_WHOLE_CALLS, runs, whole_calls
from droppath_audit.sampling.recorded_groups import group_resolved, groups_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target

DROP_PROB = 0.3
SHORT = (8, 64)
LONG, GROUPS = 65_536, 64
# Of each short batch the table, the first and the last position; of the long one two tables.
STATISTICS = 3 * len(SHORT) + 2
EACH = 4096  # largest batch of a recording whose positions are looked at one by one


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


def _tables(evidence: Evidence) -> list[tuple[list[int], list[int], int, str]]:
    """Return kept and decisions of every position, block or remainder, the size of the batch, and which they are."""
    long, calls = evidence.get("long", LONG), evidence["long_calls"]
    sizes = [calls * (long // GROUPS + (index < long % GROUPS)) for index in range(GROUPS)]
    return [
        *((part["kept"], [part["calls"]] * part["batch"], part["batch"], "position") for part in evidence["short"]),
        *((evidence[name], sizes, long, kind) for name, kind in (("blocks", "block"), ("remainders", "remainder"))
          if evidence[name]),
    ]  # fmt: skip


def _statistics(evidence: Evidence) -> list[tuple[float, str, tuple[str, str, int]]]:
    """Return p-value, description and the place furthest off (batch kind, group kind, index) of every statistic."""
    from droppath_audit.stats.homogeneity import all_alike, one_against_rest

    found = []

    def describe(kept: list[int], decisions: list[int], index: int, name: str, batch: int) -> str:
        here, rest = decisions[index], sum(decisions) - decisions[index]
        return (
            f"{name} in batches of {batch} kept {kept[index] / here:.4f}, "
            f"the others {(sum(kept) - kept[index]) / rest:.4f}"
        )

    for part in evidence["short"]:
        batch, calls, kept = part["batch"], part["calls"], part["kept"]
        for index in (0, batch - 1):
            p_value = one_against_rest(kept, [calls] * batch, index)
            name = "the first position" if index == 0 else "the last position"
            found.append((p_value, describe(kept, [calls] * batch, index, name, batch), (str(batch), "end", index)))
    for kept, decisions, batch, kind in _tables(evidence):
        fit = all_alike(kept, decisions)
        if fit is None:
            continue
        share = sum(kept) / sum(decisions)
        away = [abs(k - share * n) for k, n in zip(kept, decisions, strict=True)]
        index = away.index(max(away))
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
    from droppath_audit.stats.homogeneity import detectable_all_alike

    share = alpha / STATISTICS
    calls = _short_calls(case)
    resolves = detectable_all_alike(calls, SHORT[-1], 1.0 - DROP_PROB, share, BETA)
    return Design(resolves, "keep probability of a position", calls * sum(SHORT) + _long_calls(case) * LONG)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the place furthest off with the whole batch."""
    batch, kind, index = min(_statistics(evidence))[2]
    calls = 64 if int(batch) == LONG else 4096
    place = {
        "end": f"[{index}]",
        "position": f"[{index}]",
        "block": f"[{index * LONG // GROUPS}:{(index + 1) * LONG // GROUPS}]",
        "remainder": f"[{index}::{GROUPS}]",
    }[kind]
    n = calls * (LONG // GROUPS if kind in ("block", "remainder") else 1)
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((int(batch), 1), "float32", case.device)]
    kept = code.first_elements(f"({code.output(DROP_PROB)} != 0)", int(batch))
    return "\n".join([
        *lines,
        f"kept = sum({kept} * 1.0 for _ in range({calls})) / {calls}",
        f"here, everywhere = float(kept{place}.mean()), float(kept.mean())",
        "print('kept here:', here, 'and everywhere:', everywhere)",
        f"assert abs(here - everywhere) <= 7 * (everywhere * (1 - everywhere) / {n}) ** 0.5  # standard deviations",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count how often each position was kept, and in large batches each block and remainder."""
    width = max(block.width for block in case.blocks)
    masks = [run.masks for run in runs(recording, case) if run.masks.shape[1] == width]
    kept, calls = sum(part.sum(axis=0) for part in masks), sum(len(part) for part in masks)
    short = [{"batch": width, "calls": calls, "kept": kept.tolist()}] if width <= EACH else []
    if width < 2 * GROUPS:
        return {"short": short, "long_calls": 0, "blocks": [], "remainders": []}
    return {
        "short": short,
        "long": width,
        "long_calls": calls,
        "blocks": [int(part.sum()) for part in np.array_split(kept, GROUPS)],
        "remainders": [int(kept[index::GROUPS].sum()) for index in range(GROUPS)],
    }


def recorded_design(case: Case, alpha: float) -> Design:
    """Return what is seen of the places that the recording tells most of: positions, blocks, or the two ends."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.homogeneity import detectable_all_alike, neighbours

    assert case.drop_prob is not None  # noqa: S101
    keep_prob, share = 1.0 - case.drop_prob, alpha / STATISTICS
    width = max(block.width for block in case.blocks)
    calls = sum(block.whole for block in case.blocks if block.width == width)
    found = []
    for size, number in ((1, width if width <= EACH else 0), (width // GROUPS, GROUPS if width >= 2 * GROUPS else 0)):
        groups = neighbours([calls * size] * number, keep_prob)
        if len(groups) > 1:
            together = size * len(groups[0])
            seen = detectable_all_alike(calls * together, len(groups), keep_prob, share, BETA)
            found.append((seen, "a position" if together == 1 else f"{together} neighbouring positions"))
    if width <= EACH:
        seen = group_resolved(calls, calls * (width - 1), keep_prob, share)
        found.append((seen, "the first or the last position"))
    resolves, place = min(found, default=(inf, "a position"))
    resolves = resolves if resolves < max(keep_prob, case.drop_prob) else inf
    return Design(resolves, f"keep probability of {place}", calls * width)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the positions that were furthest off, or all groups of a table."""
    from droppath_audit.stats.homogeneity import neighbours

    batch, kind, index = min(_statistics(evidence))[2]
    if kind == "end":
        starts, names = [index, index + 1], f"position {index} and of the others"
        lines = [f"group = np.where(position == {index}, 0, 1)"]
    else:
        kept, decisions = next(table[:2] for table in _tables(evidence) if table[3] == kind)
        starts = [group.start for group in neighbours(decisions, sum(kept) / sum(decisions))]
        names = f"{kind}s from {', '.join(map(str, starts[:5]))}{', …' * (len(starts) > 5)} on"
        width = int(batch)
        if kind == "block":  # of neighbours, the first ones larger by one
            starts = [start * (width // GROUPS) + min(start, width % GROUPS) for start in starts]
        place = f"position % {GROUPS}" if kind == "remainder" else "position"
        lines = [f"group = np.searchsorted({starts}, {place}, side='right') - 1"]
    return groups_script(
        case,
        code,
        ["position = np.broadcast_to(np.arange(kept.shape[1]), kept.shape)", *lines],
        len(starts),
        f"{names} in batches of {batch}",
    )


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
    recorded=Recorded(
        whole_calls,
        collect_recorded,
        show_recorded,
        NO_WHOLE_CALLS,
        recorded_design,
    ),
)
