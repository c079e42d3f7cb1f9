"""DP105 batch-counts: the number kept per batch is binomial, neither too regular nor too irregular.

What it checks
    The histogram of the number kept in batches of 64 against the binomial distribution, given the keep frequency that
    was observed, by the likelihood-ratio statistic G; Pearson's is printed beside it. Both tails: a fixed count per
    batch has no variance at all, positively dependent samples have too much. Beside it, the fullest and the emptiest
    batch are judged exactly: one batch in a thousand that is kept whole is too rare for a histogram, and a proof alone.
Why it matters
    The law of the batch is the regularisation. A fixed number of kept samples removes the chance of deep and shallow
    networks that stochastic depth is named after, and the first redraw of an all-dropped batch shifts every mean.
How to fix
    Decide for every sample by itself; do not permute a fixed number of ones, and do not redraw unlucky batches.
Seen in
    DINOv2's drop_add_residual_stochastic_depth, which keeps a random subset of fixed size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import NO_WHOLE_CALLS, mask_lines, runs, script, whole_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target

BATCH = 64
DROP_PROB = 0.5  # the histogram is widest there; what is looked for does not depend on the drop_prob


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in how decisions are put together."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A batch that is one decision has no count."""
    return "a batch is one decision" if facts.dialect.granularity == "batch" else ""


def _calls(case: Case) -> int:
    return case.effort.pick(2**12, 2**15, 2**19)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count the batches in which 0, 1, … 64 samples were kept."""
    masks = MaskSource(target, case).draw(_calls(case), BATCH)
    return {"histogram": np.bincount(masks.sum(axis=1), minlength=BATCH + 1).tolist()}


def _few(expected: npt.NDArray[np.float64]) -> bool:
    """Return whether a histogram has too few entries, by what is promised of it, for three cells of a chi-square."""
    from droppath_audit.stats.chi_square import pool

    return len(pool(expected, expected)[1]) < 3


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where G is larger than chance allows."""
    from scipy.stats import binom

    from droppath_audit.stats.chi_square import goodness_of_fit, goodness_of_fit_of_few

    histogram = evidence["histogram"]
    calls, batch = sum(histogram), len(histogram) - 1
    counts = np.arange(batch + 1)
    share = float(counts @ np.array(histogram)) / (calls * batch)
    variance = float((counts - share * batch) ** 2 @ np.array(histogram)) / calls
    ratio = variance / (batch * share * (1.0 - share)) if 0.0 < share < 1.0 else 0.0
    spread = f"variance of the kept count {ratio:.3f} of the binomial's"
    promised = f"kept counts as Binomial({batch}, {share:.4g})"
    if not 0.0 < share < 1.0:
        return Verdict.not_applicable("all samples met the same fate, so there are no counts to compare (see DP102)")
    assert case.drop_prob is not None  # noqa: S101
    few = _few(calls * binom.pmf(counts, batch, 1.0 - case.drop_prob))
    try:
        fit = (goodness_of_fit_of_few if few else goodness_of_fit)(histogram, calls * binom.pmf(counts, batch, share))
    except ValueError:  # only where the frequency is far from what was asked for
        return Verdict.not_applicable(f"{share:.4g} were kept, and nearly all counts are alike (see DP102)")
    observed = (
        f"{spread} in {calls} batches of {batch}; G = {fit.g:.1f}, Pearson's X² = {fit.pearson:.1f}, "
        f"{fit.degrees_of_freedom} degrees of freedom, p = {fit.p_value:.2g}"
    )
    count, p_extreme = _extreme(histogram)
    # Either of the two tests can fail the trial, so each has half of alpha.
    p_value = min(1.0, 2.0 * min(fit.p_value, p_extreme))
    if p_value <= alpha:
        if p_extreme < fit.p_value:
            observed = f"{histogram[count]} of {calls} batches of {batch} kept {count}, p = {p_extreme:.2g}; {observed}"
        return Verdict.failed(observed, promised=promised, p_value=p_value)
    return Verdict.passed(observed, p_value=p_value)


def _extreme(histogram: list[int]) -> tuple[int, float]:
    """Return the more extreme of the largest and the smallest count, and a bound on the probability of one as extreme.

    Given how many were kept in all, a batch's count is hypergeometric whatever the keep probability; the bound is the
    sum over both ends and all batches.
    """
    from scipy.stats import hypergeom

    calls, batch = sum(histogram), len(histogram) - 1
    seen = [count for count, number in enumerate(histogram) if number]
    kept = sum(count * number for count, number in enumerate(histogram))
    largest, smallest = seen[-1], seen[0]
    above = float(hypergeom.sf(largest - 1, calls * batch, kept, batch))
    below = float(hypergeom.cdf(smallest, calls * batch, kept, batch))
    count, tail = (largest, above) if above < below else (smallest, below)
    return count, min(1.0, 2.0 * calls * tail)


def design(case: Case, alpha: float) -> Design:
    """Return the relative error of the count's variance that is seen with certainty 1 - β."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_chi_square

    calls = _calls(case)
    cells = 2 * round(math.sqrt(BATCH) / 2 * 3)  # of a histogram pooled at 100: three standard deviations each way
    effect = detectable_chi_square(calls, cells, alpha / 2.0, BETA)
    return Design(math.sqrt(2.0) * effect, "variance of the kept count, relative", calls * BATCH)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that compares the variance of the kept count with the binomial's, and looks at both ends."""
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((BATCH, 1), "float32", case.device)]
    kept = code.first_elements(f"({code.output(DROP_PROB)} != 0)", BATCH)
    return "\n".join([
        *lines,
        f"counts = [int({kept}.sum()) for _ in range(4000)]",
        "mean = sum(counts) / 4000",
        "variance = sum((count - mean) ** 2 for count in counts) / 4000",
        f"ratio = variance / (mean * (1 - mean / {BATCH}))",
        "print('variance of the number kept, as a share of the binomial one:', ratio)",
        "print('fewest and most kept:', min(counts), max(counts))",
        "assert abs(ratio - 1) < 0.15  # seven standard deviations",
        "assert 5 < min(counts) and max(counts) < 59  # one run in 10^8 of independent decisions",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count the recorded calls in which 0, 1, … decisions kept."""
    width = max(block.width for block in case.blocks)
    kept = [run.masks.sum(axis=1) for run in runs(recording, case) if run.masks.shape[1] == width]
    return {"histogram": np.bincount(np.concatenate(kept), minlength=width + 1).tolist()}


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the relative error of the count's variance that is seen, 1 where only a fixed count is."""
    from scipy.stats import binom

    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.chi_square import FEW_CELLS, pool, sparse_tail
    from droppath_audit.stats.design import detectable_chi_square

    assert case.drop_prob is not None  # noqa: S101
    width = max(block.width for block in case.blocks)
    calls = sum(block.whole for block in case.blocks if block.width == width)
    expected = calls * binom.pmf(np.arange(width + 1), width, 1.0 - case.drop_prob)
    quantity = "variance of the kept count, relative"
    if not _few(expected):
        cells = len(pool(expected, expected)[1])
        return Design(math.sqrt(2.0) * detectable_chi_square(calls, cells, alpha / 2.0, BETA), quantity, calls * width)
    pooled = pool(expected, expected, calls / FEW_CELLS * (1.0 - 1e-9))[1] / calls
    seen = len(pooled) > 1 and sparse_tail(-2.0 * calls * math.log(pooled.max()), len(pooled)) <= alpha / 2.0
    return Design(1.0 if seen else math.inf, quantity, calls * width)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the variance of the recorded counts with the binomial's."""
    from scipy.stats import binom, chi2

    calls, width = sum(evidence["histogram"]), len(evidence["histogram"]) - 1
    low, high = (chi2.ppf(tail, calls) / calls for tail in (1e-8, 1.0 - 1e-8))
    share = sum(count * number for count, number in enumerate(evidence["histogram"])) / (calls * width)
    fewest, most = (int(binom.ppf(tail, width, share)) for tail in (1e-8 / calls, 1.0 - 1e-8 / calls))
    each = [*mask_lines(case), "counts += kept.reshape(len(y), -1).sum(1).tolist()"]
    after = [
        "mean = np.mean(counts)",
        f"ratio = np.var(counts) / (mean * (1 - mean / {width}))",
        "print('variance of the number kept, as a share of the binomial one:', ratio)",
        f"assert {low:.3f} < ratio < {high:.3f}  # {calls} calls, one chance in 10^8 at either end",
        "print('fewest and most kept:', min(counts), max(counts))",
        f"assert {fewest} <= min(counts) and max(counts) <= {most}  # the same",
    ]
    return script(case, code, each, after, before=["counts = []"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("fixed_count", "pairs_of_samples", "FullDepthNowAndThen"),
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
