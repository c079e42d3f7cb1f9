"""DP303 extreme-probabilities: drop_prob of 1e-7, 0.001, 0.999 and the ends' neighbours keep the law, finite.

What it checks
    At drop_prob 5e-324 (the smallest positive float), 1e-7, 0.001, 0.999 and 1 - 1e-7, in every dtype, decisions are
    drawn until a certificate is reached: the keep probability lies within δ of what was asked for, or does not. δ is
    5e-5, and at effort quick 5e-4 for 0.001 and 0.999. Every output for x = 1 is zero, or finite and the one value
    that a kept sample has. Where 1/keep_prob is no number of the dtype (1e7 in float16), see DP205. The cells 0.002
    and 0.998 are in DP102's grid.
Why it matters
    Probabilities this small stand at both ends of schedules and in searches. A uniform number with eight bits cannot
    tell 0.001 from 0: such a layer never drops, or never keeps, and nobody notices.
How to fix
    Draw the decision in float32 or wider and compare it with keep_prob there; test drop_prob == 0 rather than
    rounding it.
Seen in
    floor(keep_prob + rand) in bfloat16: at drop_prob 0.001 it never drops, at 0.999 it never keeps.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import LARGEST_KEEP_PROB, certificate_for
from droppath_audit.probes.counting import Sampler
from droppath_audit.scripts.snippets import kept_factor, kept_share, several_values
from droppath_reference.law import FORMATS, multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Target
    from droppath_audit.stats.certificate import Certificate

DROP_PROBS = (5e-324, 1e-7, 0.001, 0.999, 1.0 - 1e-7)
QUICK_RESOLUTION = 5e-4


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the extreme cells."""
    return grid.per_cell(device, effort, DROP_PROBS)


def applicable(facts: Facts, case: Case) -> str:
    """A factor that the dtype cannot hold is another promise's."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    if facts.dialect.scaling == "inverted" and 1.0 / (1.0 - case.drop_prob) > FORMATS[case.dtype].largest:
        return f"1/keep_prob is no number of {case.dtype} (see DP205)"
    return ""


def certificate(case: Case, alpha: float) -> Certificate:
    """Return the certificate of one extreme cell."""
    assert case.drop_prob is not None  # noqa: S101
    usual = certificate_for(replace(case, drop_prob=max(case.drop_prob, 1e-7)), alpha)
    coarse = QUICK_RESOLUTION if case.drop_prob in (0.001, 0.999) else 0.0
    finest = max(usual.resolution, case.effort.pick(coarse, 0.0, 0.0))
    return replace(usual, keep_prob=min(1.0 - case.drop_prob, LARGEST_KEEP_PROB), resolution=finest)


def design(case: Case, alpha: float) -> Design:
    """Return what the certificate resolves and the decisions it expects to draw."""
    rule = certificate(case, alpha)
    return Design(rule.resolution, "keep probability", rule.expected_decisions())


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count decisions until the certificate is reached, or an output is neither dropped nor kept."""
    assert stopping is not None  # noqa: S101 - the engine gives a sequential check its certificate
    evidence = Sampler(target, case).draw_until(stopping).to_evidence()
    return {**evidence, "kept_values": [repr(value) for value in evidence["kept_values"]]}


def _not_finite(evidence: Evidence) -> list[str]:
    return [value for value in evidence["kept_values"] if not math.isfinite(float(value))]


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Look at the values, then ask the certificate."""
    assert case.drop_prob is not None  # noqa: S101
    rule = certificate(case, alpha)
    kept, decisions, values = evidence["kept"], evidence["decisions"], evidence["kept_values"]
    infinite = _not_finite(evidence)
    if infinite:
        return Verdict.failed(f"x = 1 came back as {', '.join(infinite)}", promised="finite values", p_value=0.0)
    if evidence["other"]:
        observed = f"{evidence['other']} of {decisions} outputs for x = 1 are neither 0 nor {', '.join(values)}"
        return Verdict.failed(observed, promised="0, or one value", p_value=0.0)
    asked, p_value = 1.0 - case.drop_prob, rule.p_value(kept, decisions)
    below, above = rule.interval(kept, decisions)
    fraction = kept / decisions if decisions else math.nan
    observed = f"kept {fraction:.7g} in [{below:.7g}, {above:.7g}] of {decisions} decisions"
    outcome = rule.outcome(kept, decisions)
    if outcome == "fail":
        return Verdict.failed(observed, promised=f"keep_prob {asked:.7g}", p_value=p_value)
    if outcome == "pass":
        return Verdict.passed(f"{observed}; within {rule.resolution:.2g} of {asked:.7g}", p_value=p_value)
    return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that counts twice as many decisions as the trial needed, or looks at the values."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    lines = [*code.setup(), *code.construct(case.drop_prob), *code.input((65536, 1), case.dtype, case.device)]
    if _not_finite(evidence):
        lines += kept_factor(case.drop_prob, multiplier(case.drop_prob, case.dialect.scaling), 0.5, code)
    elif evidence["other"]:
        lines += several_values(case.drop_prob, 2 * evidence["decisions"], code)
    else:
        lines += kept_share(case.drop_prob, 2 * evidence["decisions"], code)
    return "\n".join(lines)


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="a recording has only the drop_probs that were recorded: DP102 judges those of any size",
    mutants=("floor_mask", "whole_percents", "keep_prob_in_the_dtype_of_x"),
    design=design,
    stopping=certificate,
    applicable=applicable,
)
