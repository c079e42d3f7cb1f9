"""DP110 batch-size: the keep probability does not depend on the number of samples in the batch.

What it checks
    Batches of 1, 2, 3, 4, 8, 1000, 1024 and 65 536 samples: the share kept at each size against that of all the others
    together, by exact tests, given the share observed over all. A size at which the target raises is left out.
Why it matters
    The last batch of an epoch is short, detection trains with two images a device, and a debugging run with one: a
    sample's chance to be dropped must not change with them.
How to fix
    Decide for every sample by itself. Round no number of samples to be kept, and redraw no batch that dropped all.
Seen in
    DINOv2's drop_add_residual_stochastic_depth, which keeps max(int(B q), 1) samples and never drops in a batch of 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import chunks, interior_cells
from droppath_audit.sampling.recorded_groups import group_resolved, groups_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Target

# Where a redrawn batch of four is furthest off: 0.395 of 0.3.
DROP_PROB = 0.7
SIZES = (1, 2, 3, 4, 8, 1000, 1024, 65_536)
# Decisions at each of the sizes up to 8: calls are what costs.
CALLS_OF = {1: 1.0, 2: 0.375, 3: 0.25, 4: 0.25, 8: 0.125}


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in the size of a batch."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def _calls(case: Case, size: int) -> int:
    """Return the calls with batches of this size."""
    if case.dialect.granularity == "batch":
        return case.effort.pick(128, 1024, 2**14) // (8 if size == SIZES[-1] else 1)
    smallest = case.effort.pick(1024, 2**13, 2**17)
    return int(CALLS_OF.get(size, 0.0) * smallest) or case.effort.pick(16, 64, 512)


def _decisions(case: Case, size: int) -> int:
    return _calls(case, size) * (1 if case.dialect.granularity == "batch" else size)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count what is kept at each size."""
    source = MaskSource(target, case)
    kept, raised = {}, {}
    for size in SIZES:
        try:
            masks = source.draw(_calls(case, size), size)
        except TargetRaised as error:
            raised[str(size)] = str(error)
            continue
        kept[str(size)] = int((masks[:, 0] if case.dialect.granularity == "batch" else masks).sum())
    if len(kept) < 2:
        raise NotApplicable(f"the target raises at {len(raised)} of {len(SIZES)} batch sizes (see DP304)")
    return {"kept": kept, "decisions": {size: _decisions(case, int(size)) for size in kept}, "raised": raised}


def _tests(evidence: Evidence) -> dict[int, float]:
    """Return the p-value of every size against the others, before any correction."""
    from droppath_audit.stats.homogeneity import one_against_rest

    sizes = list(evidence["kept"])
    kept, decisions = (list(evidence[name].values()) for name in ("kept", "decisions"))
    return {int(size): one_against_rest(kept, decisions, index) for index, size in enumerate(sizes)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where one size is kept more or less often than the others."""
    tests = _tests(evidence)
    size = min(tests, key=lambda size: tests[size])
    p_value = min(1.0, max(len(SIZES), len(tests)) * tests[size])
    kept, decisions = evidence["kept"], evidence["decisions"]
    here, number = kept[str(size)], decisions[str(size)]
    rest = (sum(kept.values()) - here) / (sum(decisions.values()) - number)
    observed = f"batches of {size} kept {here / number:.4f} of {number}, others {rest:.4f}, p = {p_value:.2g}"
    if p_value <= alpha:
        return Verdict.failed(observed, promised="one keep probability at every batch size", p_value=p_value)
    left_out = "".join(f"; at {size} the target raised {text}" for size, text in evidence["raised"].items())
    return Verdict.passed(f"furthest off were {observed}{left_out}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen at a batch size of 1, or of any with as many decisions."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.homogeneity import detectable_one_against_rest

    decisions = [_decisions(case, size) for size in SIZES]
    rest = sum(decisions) - decisions[0]
    resolves = detectable_one_against_rest(decisions[0], rest, 1.0 - DROP_PROB, alpha / len(SIZES), BETA)
    return Design(resolves, "keep probability at a batch size", sum(decisions))


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the size furthest off with a batch of another."""
    tests = _tests(evidence)
    size = min(tests, key=lambda size: tests[size])
    per_call = case.dialect.granularity == "batch"
    other = 8 if per_call else 65_536
    other = 1024 if other == size else other
    calls = {number: 4096 if per_call else max(1, 8192 // number) for number in (size, other)}
    n = min(calls[number] * (1 if per_call else number) for number in calls)
    shares = []
    for number in (size, other):
        shares += [
            *code.input((number, 1), "float32", case.device),
            f"shares.append(sum(float(({code.output(DROP_PROB)} != 0).double().mean()) for _ in range({calls[number]}))"
            f" / {calls[number]})",
        ]
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB),
        "shares = []",
        *shares,
        f"print('kept in batches of {size} and {other}:', shares)",
        f"assert abs(shares[0] - shares[1]) <= 7 * (2 * 0.25 / {n}) ** 0.5  # standard deviations, at most",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield the cells of which batches of different sizes were recorded."""
    return (case for case in interior_cells(blocks, effort) if len(_recorded_sizes(case)) > 1)


def _recorded_sizes(case: Case) -> dict[int, int]:
    """Return the decisions that can be read at each recorded size."""
    sizes: dict[int, int] = {}
    for block in case.blocks:
        if block.decisions:
            sizes[block.shape[0]] = sizes.get(block.shape[0], 0) + block.decisions
    return dict(sorted(sizes.items()))


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count what was kept at each recorded size."""
    kept = dict.fromkeys(_recorded_sizes(case), 0)
    decisions = dict(kept)
    for chunk in chunks(recording, case):
        size = chunk.facts.shape[0]
        if size in kept:
            mask, seen = chunk.decisions(case.dialect.granularity)
            kept[size] += int((mask & seen).sum())
            decisions[size] += int(seen.sum())
    return {
        "kept": {str(size): number for size, number in kept.items()},
        "decisions": {str(size): number for size, number in decisions.items()},
        "raised": {},
    }


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen at the size that tells most: whose decisions, or all others, are most."""
    assert case.drop_prob is not None  # noqa: S101
    sizes = _recorded_sizes(case)
    total = sum(sizes.values())
    size = max(sizes, key=lambda size: min(sizes[size], total - sizes[size]))
    share = alpha / max(len(SIZES), len(sizes))
    resolves = group_resolved(sizes[size], total - sizes[size], 1.0 - case.drop_prob, share)
    return Design(resolves, f"keep probability at a batch size of {size}", total)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the size furthest off with all others."""
    tests = _tests(evidence)
    size = min(tests, key=lambda size: tests[size])
    lines = [f"group = np.full(kept.shape, 0 if y.shape[1] == {size} else 1)"]
    return groups_script(case, code, lines, 2, f"batches of {size} and of others")


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "subset_of_at_least_one",
        "redraws_an_empty_batch",
        "single_sample_is_never_dropped",
        "single_sample_takes_keep_for_drop",
        "rounded_share_of_small_batches",
        "small_batches_drop_less",
        "unmasked_remainder",
    ),
    design=design,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        "the recording has no batches of different sizes at one drop_prob inside (0, 1)",
        recorded_design,
    ),
)
