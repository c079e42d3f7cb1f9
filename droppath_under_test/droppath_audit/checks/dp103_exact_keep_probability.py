"""DP103 exact-keep-probability: by enumeration of the generator, the keep probability is what was asked for.

What it checks
    The one draw that decides is fed every value which the generator can produce, each with its exact weight, so the
    keep probability is a fraction and no estimate. Off by more than 2^-23 it breaks a SHOULD; off by more than DP102
    resolves, a MUST. Mask values other than 0 and 1 weigh alike and are named. 16-bit draws and Bernoulli calls are
    fed whole; thresholds of wider draws are bisected, after a probe that the outcome rises or falls throughout.
Why it matters
    What sampling sees as many standard deviations, or not at all, is a fact here: a layer that drops 1.3 % more
    than asked in half precision, never below some probability, or doubles one sample in 256.
How to fix
    Draw the decision in float32 or wider whatever the dtype of x, or with bernoulli_ on a Python number; compare by
    rand < keep_prob rather than by the floor of a sum.
Seen in
    floor(keep_prob + rand) in bfloat16: at drop_prob = 0.001 it never drops and doubles 1/256 of the samples, at 0.1
    it drops 0.1013184, at 0.999 it never keeps. torch.bernoulli of a bfloat16 tensor keeps 0.8984375 for 0.9.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.exact.enumeration import enumerate_mask
from droppath_audit.probes.certifying import certificate_for
from droppath_audit.scripts.snippets import fed_share, kept_share, several_values
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Target

DROP_PROBS = tuple(sorted((*grid.DROP_PROBS, 1e-7, 0.001, 0.999, 1.0 - 1e-7)))
MISS = Fraction(1, 2**23)  # what one float32 draw may be off by
SIGMAS = 12.0  # of the deviation, in a snippet that samples
MOST_DECISIONS = 2**27  # of a snippet; a smaller deviation is shown by feeding values
ANY_ALPHA = 1e-9  # the resolution of a certificate does not depend on it


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the grid and its extremes, at every effort alike."""
    return grid.per_cell(device, effort, DROP_PROBS)


def applicable(facts: Facts, case: Case) -> str:
    """A target that declares to refuse keep_prob = 0 has no law there."""
    refused = facts.dialect.keep_prob_zero == "raises" and case.drop_prob == 1.0
    return "the target declares that it refuses keep_prob = 0" if refused else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Enumerate the mask."""
    return enumerate_mask(target, case, rng).to_evidence(case)


def deviation(evidence: Evidence, case: Case) -> Fraction:
    """Return by how much the exact keep probability exceeds the one asked for."""
    assert case.drop_prob is not None  # noqa: S101
    return Fraction(*evidence["keep_prob"]) - (1 - Fraction(case.drop_prob))


def _exactly(fraction: Fraction) -> str:
    return str(fraction) if fraction.denominator == 1 else f"{fraction} = {float(fraction):.9g}"


def describe(evidence: Evidence, case: Case) -> str:
    """Return the law in words and exact numbers."""
    assert case.drop_prob is not None  # noqa: S101
    keep_prob, asked = Fraction(*evidence["keep_prob"]), Fraction(case.drop_prob)
    relative = f", {float((1 - keep_prob) / asked):.7g} times what was asked" if asked else ""
    text = (
        f"keeps {_exactly(keep_prob)}, off by {float(deviation(evidence, case)):+.3g}; "
        f"drops {float(1 - keep_prob):.9g}{relative}; mean output {float(Fraction(*evidence['mean'])):.7g} of x"
    )
    if evidence["other_values"]:
        share = Fraction(evidence["other_states"], evidence["states"])
        factor = multiplier(case.drop_prob, case.dialect.scaling) if case.drop_prob < 1.0 else 1.0
        shown = ", ".join(f"{value / factor:.4g}" for value, _ in evidence["others"][:3])
        more = ", …" if evidence["other_values"] > 3 else ""
        text += f"; {float(share):.6g} of the masks are neither 0 nor 1 but {shown}{more}"
    return f"{text} ({evidence['draw']}; {evidence['generator']})"


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Weigh the larger of two exact numbers: the deviation, and the share of masks other than 0 and 1."""
    assert case.drop_prob is not None  # noqa: S101
    other = Fraction(evidence["other_states"], evidence["states"])
    off = max(abs(deviation(evidence, case)), other)
    observed = describe(evidence, case)
    if off <= MISS:
        return Verdict.passed(observed)
    resolved = max(MISS, Fraction(certificate_for(case, ANY_ALPHA).resolution))
    weight = Level.MUST if off > resolved else Level.SHOULD
    keep_prob, asked = Fraction(*evidence["keep_prob"]), 1 - Fraction(case.drop_prob)
    swapped = abs(1 - keep_prob - asked) <= MISS
    return Verdict.failed(
        observed,
        promised=f"keep_prob {float(asked):.9g} within 2^-23, no mask but 0 and 1"
        + ("" if weight is Level.MUST else f"; off by less than {float(resolved):.2g} it is a SHOULD"),
        level=weight,
        hint="drop and keep are swapped: is the argument the keep_prob? Then add prob=NAME:keep" if swapped else "",
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that samples where that shows the deviation, and otherwise feeds 2^24 uniform numbers."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    p, off = case.drop_prob, float(abs(deviation(evidence, case)))
    setup = [*code.setup(), *code.construct(p)]
    other = evidence["other_states"] / evidence["states"]
    if other > max(off, 2.0**-20):
        ones = code.input((65536, 1), case.dtype, case.device)
        return "\n".join([*setup, *ones, *several_values(p, round(20.0 / other), code)])
    decisions = round(max(p * (1.0 - p), off) * (SIGMAS / max(off, 1e-12)) ** 2)
    if code.feed and decisions > MOST_DECISIONS and evidence["draw"].startswith(("rand in", "rand_like in")):
        return "\n".join([*setup, *fed_share(p, case.dtype, case.device, code)])
    ones = code.input((65536, 1), case.dtype, case.device)
    return "\n".join([*setup, *ones, *kept_share(p, min(decisions, 8 * MOST_DECISIONS), code)])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="its generator must be replaced by every value that it can produce; a recording cannot be driven",
    mutants=(
        "floor_mask",
        "keeps_what_it_should_drop",
        "compares_in_the_dtype_of_x",
        "loses_the_upper_end",
        "drops_at_equality",
        "eight_bit_threshold",
        "sixteen_bit_threshold",
        "rounded_to_255",
        "bernoulli_of_the_dtype_of_x",
        "floor_of_a_shifted_uniform",
        "two_valued_mask",
    ),
    applicable=applicable,
)
