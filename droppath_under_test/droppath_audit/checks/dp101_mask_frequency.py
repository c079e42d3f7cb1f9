"""DP101 mask-frequency: over the whole grid of drop_prob, kept and dropped samples occur as often as promised.

What it checks
    The frequency table of kept and dropped decisions over every drop_prob of the grid, one table per dtype, by a
    chi-square test: the likelihood-ratio statistic G judges, Pearson's is printed beside it, with as many degrees of
    freedom as there are cells, because every expected count is given.
Why it matters
    Regularisation of the wrong strength trains, converges and ships. A table over the grid also sees many small
    deviations that point the same way and are each too small to be seen alone.
How to fix
    Draw the decision in float32 or wider, or with a Bernoulli call on a scalar probability; never add the uniform
    number to keep_prob in the dtype of x.
Seen in
    floor(keep_prob + rand) in half precision: transformers, mmcv, EfficientNet-PyTorch, Paddle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.counting import Sampler
from droppath_audit.sampling.recorded import count, interior, per_dtype, resolved, share_script
from droppath_audit.sampling.snippets import kept_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Target

EXPECTED = 100  # smallest expected count at which the tail of G is that of chi-square (STATISTICS: within 1.2 α)


def sizes(case: Case) -> dict[float, int]:
    """Return the number of decisions at each drop_prob of the table."""
    if case.dialect.granularity == "batch":
        decisions = case.effort.pick(2**11, 2**13, 2**16)
    else:
        decisions = case.effort.pick(2**17, 2**20, 2**22)
    return {p: decisions for p in grid.INTERIOR if min(p, 1.0 - p) * decisions >= EXPECTED}


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count a fixed number of decisions at each drop_prob."""
    cells = []
    # All of them first: the time that a trial has runs from here, and not anew for each cell.
    samplers = [Sampler(target, case, drop_prob) for drop_prob in sizes(case)]
    for (drop_prob, decisions), sampler in zip(sizes(case).items(), samplers, strict=False):
        counts = sampler.draw(decisions)
        cells.append({"drop_prob": drop_prob, "kept": counts.kept, "decisions": counts.decisions,
                      "exhausted": counts.exhausted})  # fmt: skip
    return {"cells": cells}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where G is larger than chance allows."""
    from droppath_audit.stats.chi_square import frequency_table

    usable = [
        cell for cell in evidence["cells"]
        if min(cell["drop_prob"], 1.0 - cell["drop_prob"]) * cell["decisions"] >= EXPECTED
    ]  # fmt: skip
    if not usable:
        return Verdict.inconclusive("time ran out before one cell of the table was filled")
    table = frequency_table(
        [cell["kept"] for cell in usable],
        [cell["decisions"] for cell in usable],
        [1.0 - cell["drop_prob"] for cell in usable],
    )
    statistics = (
        f"G = {table.g:.1f}, Pearson's X² = {table.pearson:.1f}, {table.degrees_of_freedom} degrees of freedom, "
        f"p = {table.p_value:.2g}"
    )
    if table.p_value <= alpha:
        worst = max(usable, key=_standardised)
        kept = worst["kept"] / worst["decisions"]
        observed = f"{statistics}; worst at drop_prob {worst['drop_prob']:g}, where {kept:.6g} were kept"
        return Verdict.failed(observed, promised="kept and dropped as often as asked for", p_value=table.p_value)
    if any(cell["exhausted"] for cell in evidence["cells"]):
        return Verdict.inconclusive(f"time ran out; so far {statistics}", p_value=table.p_value)
    return Verdict.passed(statistics, p_value=table.p_value)


def _standardised(cell: dict[str, float]) -> float:
    """Return |kept - nq| in standard deviations."""
    n, p = cell["decisions"], cell["drop_prob"]
    return float(abs(cell["kept"] - n * (1.0 - p)) / (n * p * (1.0 - p)) ** 0.5)


def design(case: Case, alpha: float) -> Design:
    """Return the deviation seen with certainty 1 - β if one cell alone had it, at drop_prob 0.5."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_chi_square

    planned = sizes(case)
    effect = detectable_chi_square(planned[0.5], len(planned), alpha, BETA)
    return Design(0.5 * effect, "keep probability of one cell", sum(planned.values()))


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that counts, at the drop_prob that deviates most, eight times as many decisions."""
    assert case.dtype is not None  # noqa: S101
    worst = max((cell for cell in evidence["cells"] if cell["decisions"]), key=_standardised)
    p = worst["drop_prob"]
    lines = [*code.setup(), *code.construct(p), *code.input((65536, 1), case.dtype, case.device)]
    return "\n".join([*lines, *kept_share(p, 8 * worst["decisions"], code)])


def recorded_sizes(case: Case) -> dict[float, int]:
    """Return the recorded decisions at each drop_prob that fill its cell of the table."""
    found: dict[float, int] = {}
    for block in case.blocks:
        found[block.drop_prob] = found.get(block.drop_prob, 0) + block.decisions
    return {p: n for p, n in sorted(found.items()) if min(p, 1.0 - p) * n >= EXPECTED}


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype of which one cell is filled at least."""
    return (case for case in per_dtype([b for b in blocks if interior(b)], effort) if recorded_sizes(case))


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count all decisions of each cell."""
    cells = []
    for drop_prob in recorded_sizes(case):
        blocks = tuple(block for block in case.blocks if block.drop_prob == drop_prob)
        kept, decisions = count(recording, replace(case, blocks=blocks))
        cells.append({"drop_prob": drop_prob, "kept": kept, "decisions": decisions, "exhausted": False})
    return {"cells": cells}


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the deviation seen with certainty 1 - β if one cell alone had it, where that is largest."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_chi_square

    planned = recorded_sizes(case)
    effects = {p: detectable_chi_square(n, len(planned), alpha, BETA) for p, n in planned.items()}
    largest = max(effect * (p * (1.0 - p)) ** 0.5 for p, effect in effects.items())
    return Design(resolved(largest), "keep probability of one cell", sum(planned.values()))


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that counts at the drop_prob that deviates most."""
    p = max(evidence["cells"], key=_standardised)["drop_prob"]
    blocks = tuple(block for block in case.blocks if block.drop_prob == p)
    return share_script(replace(case, blocks=blocks, drop_prob=p), code)


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "keeps_what_it_should_drop"),
    design=design,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        f"no drop_prob of the recording has {EXPECTED} decisions to be expected of either kind",
        recorded_design,
    ),
)
