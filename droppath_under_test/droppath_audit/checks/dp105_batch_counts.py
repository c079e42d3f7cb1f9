"""DP105 batch-counts: the number kept per batch is binomial, neither too regular nor too irregular.

What it checks
    The histogram of the number kept in batches of 64 against the binomial distribution, given the keep frequency that
    was observed, by the likelihood-ratio statistic G; Pearson's is printed beside it. Both tails: a fixed count per
    batch has no variance at all, positively dependent samples have too much.
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
from droppath_audit.core.check import Check, Design, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.masks import MaskSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
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


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where G is larger than chance allows."""
    from scipy.stats import binom

    from droppath_audit.stats.chi_square import goodness_of_fit

    histogram = evidence["histogram"]
    calls = sum(histogram)
    counts = np.arange(BATCH + 1)
    share = float(counts @ np.array(histogram)) / (calls * BATCH)
    variance = float((counts - share * BATCH) ** 2 @ np.array(histogram)) / calls
    ratio = variance / (BATCH * share * (1.0 - share)) if 0.0 < share < 1.0 else 0.0
    spread = f"variance of the kept count {ratio:.3f} of the binomial's"
    promised = f"kept counts as Binomial({BATCH}, {share:.4g})"
    if not 0.0 < share < 1.0:
        return Verdict.not_applicable("all samples met the same fate, so there are no counts to compare (see DP102)")
    fit = goodness_of_fit(histogram, (calls * binom.pmf(counts, BATCH, share)).tolist())
    observed = (
        f"{spread} in {calls} batches of {BATCH}; G = {fit.g:.1f}, Pearson's X² = {fit.pearson:.1f}, "
        f"{fit.degrees_of_freedom} degrees of freedom, p = {fit.p_value:.2g}"
    )
    if fit.p_value <= alpha:
        return Verdict.failed(observed, promised=promised, p_value=fit.p_value)
    return Verdict.passed(observed, p_value=fit.p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the relative error of the count's variance that is seen with certainty 1 - β."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import chi_square_detectable

    calls = _calls(case)
    cells = 2 * round(math.sqrt(BATCH) / 2 * 3)  # of a histogram pooled at 100: three standard deviations each way
    effect = chi_square_detectable(calls, cells, alpha, BETA)
    return Design(math.sqrt(2.0) * effect, "variance of the kept count, relative", calls * BATCH)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that compares the variance of the kept count with the binomial's."""
    lines = [*code.setup(), *code.construct(DROP_PROB), *code.input((BATCH, 1), "float32", case.device)]
    return "\n".join([
        *lines,
        f"counts = [int(({code.output(DROP_PROB)} != 0).sum()) for _ in range(4000)]",
        "mean = sum(counts) / 4000",
        "variance = sum((count - mean) ** 2 for count in counts) / 4000",
        f"ratio = variance / (mean * (1 - mean / {BATCH}))",
        "print('variance of the number kept, as a share of the binomial one:', ratio)",
        "assert abs(ratio - 1) < 0.15  # seven standard deviations",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("fixed_count", "pairs_of_samples"),
    design=design,
    applicable=applicable,
)
