"""DP102 keep-probability: in every cell of the grid the keep probability is what was asked for, within δ.

What it checks
    Decisions are drawn until a certificate is reached: either that the keep probability is not the one asked for,
    or that it lies within δ of it, both with stated error rates that hold however long it took. Every sample is also
    checked to be dropped exactly, or kept with the one value that a kept sample has.
Why it matters
    This is the layer's whole purpose. A keep probability that is wrong in one dtype only is found in no test that
    runs in float32, and changes what half-precision training learns.
How to fix
    Draw the decision in float32 or wider, or with a Bernoulli call on a scalar probability; check that drop and keep
    are not swapped.
Seen in
    floor(keep_prob + rand) in bfloat16, wrong by 33 standard deviations at drop_prob = 0.1 in a test of usual length;
    at drop_prob = 0.001 it never drops, at 0.999 it never keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Level, Recorded
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import certificate_design, certificate_for
from droppath_audit.probes.counting import Sampler
from droppath_audit.probes.recorded import count, per_cell, share_script
from droppath_audit.scripts.snippets import kept_share, several_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.frameworks.base import Target


def applicable(facts: Facts, case: Case) -> str:
    """A target that declares to refuse keep_prob = 0 has no law there."""
    refused = facts.dialect.keep_prob_zero == "raises" and case.drop_prob == 1.0
    return "the target declares that it refuses keep_prob = 0" if refused else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count decisions until the certificate is reached, or an output is neither dropped nor kept."""
    assert stopping is not None  # noqa: S101 - the engine gives a sequential check its certificate
    counts = Sampler(target, case).draw_until(stopping)
    if case.drop_prob == 1.0 and any(value != value for value in counts.kept_values):
        raise NotApplicable("the outputs are NaN, from which no decision can be read (see DP301)")
    return counts.to_evidence()


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Ask the certificate."""
    certificate = certificate_for(case, alpha)
    kept, decisions, keep_prob = evidence["kept"], evidence["decisions"], certificate.keep_prob
    if evidence["other"]:
        values = ", ".join(f"{value:.6g}" for value in evidence["kept_values"])
        return Verdict.failed(
            f"{evidence['other']} of {decisions} outputs for x = 1 are neither 0 nor the value of the other kept ones "
            f"({values})",
            promised="every output is dropped, or kept with one value",
            p_value=0.0,
        )
    low, high = certificate.interval(kept, decisions)
    p_value = certificate.p_value(kept, decisions)
    fraction = kept / decisions if decisions else float("nan")
    observed = f"kept {fraction:.6g} in [{low:.6g}, {high:.6g}] of {decisions} decisions"
    outcome = certificate.outcome(kept, decisions)
    if outcome == "fail":
        other = abs(fraction - (1.0 - keep_prob))
        swapped = abs(keep_prob - 0.5) > 0.01 and other < abs(fraction - keep_prob) / 10
        hint = "drop and keep are swapped: is the argument the keep_prob? Then add prob=NAME:keep" if swapped else ""
        return Verdict.failed(observed, promised=f"keep_prob {keep_prob:g}", p_value=p_value, hint=hint)
    if outcome == "pass":
        return Verdict.passed(f"{observed}; within {certificate.resolution:.2g} of {keep_prob:g}", p_value=p_value)
    return Verdict.inconclusive(f"time ran out: {observed}", p_value=p_value)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that counts twice as many decisions as the trial needed."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    lines = [*code.setup(), *code.construct(case.drop_prob), *code.input((65536, 1), case.dtype, case.device)]
    counting = several_values if evidence["other"] else kept_share
    return "\n".join([*lines, *counting(case.drop_prob, 2 * evidence["decisions"], code)])


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield every cell that was recorded in training and in which a decision can be read."""
    return (case for case in per_cell([block for block in blocks if block.training], effort) if case.decisions)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count the decisions of the cell; that kept ones have the right value is DP201's to say."""
    kept, decisions = count(recording, case)
    return {"decisions": decisions, "kept": kept, "other": 0, "kept_values": [], "exhausted": False}


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:  # noqa: ARG001
    """Return a script that counts the recorded decisions."""
    return share_script(case, code)


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_cell,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("floor_mask", "bias_of_two_thousandths", "keeps_what_it_should_drop", "sometimes_doubled"),
    design=certificate_design,
    stopping=certificate_for,
    applicable=applicable,
    recorded=Recorded(recorded_cases, collect_recorded, show_recorded, "the recording has no calls in training"),
)
