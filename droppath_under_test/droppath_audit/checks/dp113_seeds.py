"""DP113 seeds: over many seeds, the first decision has the same law as any other.

What it checks
    For thousands of consecutive seeds the framework is seeded, an instance is built and called once on a few samples.
    The first decision and the first call are compared with decisions of later calls, exactly, given the share observed
    over all. First decisions of neighbouring seeds are searched for the most suspicious relation over all distances in
    one half of the seeds, which is tested exactly in the other half.
Why it matters
    Experiments are repeated with seeds 0, 1, 2: when the first mask follows the seed, or is the same for all, the
    repetitions share it and their spread says too little.
How to fix
    Draw from the framework's generator as it is; derive no seed of your own from it by arithmetic.
Seen in
    Home-made congruential generators seeded with the number given, whose first output grows with the seed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level
from droppath_audit.core.errors import TimeRanOut
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.dependence import (
    correlation,
    most_suspicious,
    paired,
    table,
    to_evidence,
)
from droppath_audit.sampling.inputs import ReusedInput, features
from droppath_audit.sampling.masks import MaskSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.target import Target

DROP_PROB, BATCH = 0.3, 8
STATISTICS = 3


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def _seeds(case: Case) -> int:
    return case.effort.pick(1250, 20_000, 200_000)


def _per_call(case: Case) -> bool:
    return case.dialect.granularity == "batch"


def _later(case: Case) -> tuple[int, int]:
    """Return calls and samples of the decisions that are compared with the first; what depends on B is DP110's."""
    if _per_call(case):
        return case.effort.pick(512, 4096, 2**16), 1
    return case.effort.pick(8192, 20_000, 2**17), BATCH


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Draw the first call after each of many consecutive seeds, and later calls after another."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, start = target.framework, int(rng.integers(2**31))
    batch = 1 if _per_call(case) else BATCH
    dtype, device = case.dtype, case.device
    shape = (batch, *features(target, dtype, device))
    masks = np.empty((_seeds(case), batch), dtype=np.bool_)
    deadline = time.monotonic() + case.effort.seconds
    x = ReusedInput(framework, lambda: framework.ones(shape, dtype, device))
    for number in range(len(masks)):
        if time.monotonic() > deadline:
            raise TimeRanOut(f"time ran out after {number} of {len(masks)} seeds")
        framework.seed(start + number)
        output = target.make(case.drop_prob)(x.get(), training=True)
        masks[number] = framework.numpy(output).reshape(batch, -1)[:, 0] != 0
    framework.seed(start + len(masks))
    source = MaskSource(target, case)
    source.draw(1, batch)
    later = source.draw(*_later(case))
    first = masks[:, 0].reshape(2, -1)
    proposal = most_suspicious(first[:1])
    return to_evidence(proposal, table(*paired(first[1:], proposal))) | {
        "start": start,
        "seeds": len(masks),
        "batch": batch,
        "first_kept": int(first.sum()),
        "first_call_kept": int(masks.sum()),
        "later_kept": int(later.sum()),
        "later_decisions": later.size,
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where first decisions have another law than later ones, or hang together."""
    from droppath_audit.stats.exact import hypergeometric_test
    from droppath_audit.stats.homogeneity import one_against_rest

    seeds, later, number = evidence["seeds"], evidence["later_kept"], evidence["later_decisions"]
    call = seeds * evidence["batch"]
    statistics = []
    for what, kept, decisions in (
        ("first decisions", evidence["first_kept"], seeds),
        ("first calls", evidence["first_call_kept"], call),
    ):
        text = f"{what} of {seeds} seeds kept {kept / decisions:.4f}, later ones {later / number:.4f}"
        statistics.append((one_against_rest((kept, later), (decisions, number), 0), text))
    counts = evidence["table"]
    apart = "seeds {} apart" if evidence["relation"] == "lag" else "seeds mirrored about the {}th half"
    text = f"first decisions of {apart.format(evidence['offset'][0])}: correlation {correlation(counts):+.4f}"
    statistics.append((hypergeometric_test(*counts), text))
    smallest, text = min(statistics)
    p_value = min(1.0, STATISTICS * smallest)
    observed = f"{text}, p = {p_value:.2g}"
    if p_value <= alpha:
        promised = "first decisions with the law of any other, independent between seeds"
        return Verdict.failed(observed, promised=promised, p_value=p_value)
    return Verdict.passed(f"most suspicious were {observed}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the difference that is seen between first decisions and later ones."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.homogeneity import detectable_one_against_rest

    seeds, later = _seeds(case), int(np.prod(_later(case)))
    resolves = detectable_one_against_rest(seeds, later, 1.0 - DROP_PROB, alpha / STATISTICS, BETA)
    return Design(resolves, "keep probability of the first decision", seeds * (1 if _per_call(case) else BATCH) + later)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that draws first decisions after consecutive seeds."""
    batch, seeds = evidence["batch"], 4096
    seed = code.setup()[-1].replace("(0)", "(seed)")
    build = [f"    {line}" for line in code.construct(DROP_PROB)]
    x = code.input((batch, 1), "float32", case.device)
    later = code.input((*_later(case)[1:], 1), "float32", case.device)
    calls = _later(case)[0]
    kept = code.first_elements(f"({code.output(DROP_PROB)} != 0)", batch)
    lines = [*code.setup(), *x, "masks = []", f"for seed in range({evidence['start']}, {evidence['start'] + seeds}):"]
    lines += [f"    {seed}", *build, f"    masks.append({kept}.tolist())"]
    _, gap, kind = evidence["table"], evidence["offset"][0], evidence["relation"]
    lines += [
        *later,
        f"later = sum(float(({code.output(DROP_PROB)} != 0).double().mean()) for _ in range({calls})) / {calls}",
        "first = [mask[0] for mask in masks]",
        "shares = [sum(first) / len(first), sum(map(sum, masks)) / (len(masks) * len(masks[0])), later]",
        "print('kept of first decisions, first calls and later ones:', shares)",
        f"assert abs(shares[0] - later) <= 6 * (2 * 0.25 / {min(seeds, evidence['later_decisions'])}) ** 0.5",
        f"assert abs(shares[1] - later) <= 6 * (2 * 0.25 / {min(seeds * batch, evidence['later_decisions'])}) ** 0.5",
    ]
    other = f"first[{gap}:]" if kind == "lag" else "first[::-1]"
    return "\n".join([
        *lines,
        f"pairs = list(zip(first, {other}))",
        "both = sum(one and other for one, other in pairs) / len(pairs)",
        "print('both kept, of neighbouring seeds:', both)",
        f"assert not pairs or abs(both - shares[0] ** 2) <= {6 if kind == 'lag' else 9} * (0.25 / len(pairs)) ** 0.5",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be seeded, over and over; a recording cannot be driven",
    mutants=(
        "first_mask_is_constant",
        "congruential_seed",
        "seed_modulo_a_thousand",
        "first_number_is_the_seed",
        "first_call_without_shift",
    ),
    design=design,
)
