"""DP404 checkpointing: under activation checkpointing the recomputed mask is that of the first forward pass.

What it checks
    The layer runs under the framework's activation checkpointing a few times, in each way that it offers (torch:
    use_reentrant True, and from standard effort on False): the elements that the output dropped must be those without
    a gradient. Recomputation happens with the state of the framework's default generators restored, those of the CPU
    and of the devices of the arguments. Nothing else is: not Python's or NumPy's generators, not a torch.Generator
    that a layer owns, and not anything a layer remembers of its calls. In a data-loader worker or another process
    nothing changes in this.
Why it matters
    The loss was computed with one mask and the weights move by another. Nothing raises; large models, which are the
    ones that need checkpointing, train a little worse than the same model without.
How to fix
    Draw from the framework's default generator, in the forward pass that uses the mask, and keep no state there that
    the next call reads.
Seen in
    Layers that decide with random.random() or numpy.random: 100 of 200 masks differ at drop_prob 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.gradients import checkpointed_gradient_of, gradient_of
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

# 64 decisions a call, or a call each, at drop_prob 0.5: a second mask agrees by chance once in 2^64.
DECISIONS, CALLS, DROP_PROB = 64, 8, 0.5
PROMISED = "the mask of the recomputation is that of the output"


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: the dtype has no part in where random numbers come from."""
    yield Case(device, "float32", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Compare the mask of the output with that of the gradient, call after call, in each way."""
    assert case.dtype is not None  # noqa: S101
    framework = target.framework
    if not framework.checkpoints:
        raise NotApplicable(f"{framework.name} has no activation checkpointing")
    per_call = case.dialect.granularity == "batch"
    shape = (1 if per_call else DECISIONS, *features(target, case.dtype, case.device))
    x = framework.ones(shape, case.dtype, case.device)
    if gradient_of(target, target.make(DROP_PROB), x, x).gradient is None:
        raise NotApplicable("the gradient does not reach x in the first place (see DP401)")
    found = []
    # The second way of torch imports its compiler, for a second or so: not at quick effort.
    ways = case.effort.pick(framework.checkpoints[:1], framework.checkpoints, framework.checkpoints)
    if target.dialect.skips_branch:
        ways = framework.checkpoints[-1:]  # the first of torch refuses outputs that are part of no graph
    for how in ways:
        layer = target.make(DROP_PROB)
        seen: dict[str, Any] = {"how": how, "elements": 0, "differ": 0, "calls": 0, "reason": ""}
        for _ in range(DECISIONS if per_call else CALLS):
            seen["calls"] += 1
            try:
                result = checkpointed_gradient_of(target, layer, x, x, how)
            except TargetRaised as error:
                seen["reason"] = f"raised {error}"
                break
            if result.gradient is None:
                seen["reason"] = result.reason
                break
            dropped, without = (framework.numpy(tensor) == 0 for tensor in (result.output, result.gradient))
            seen["elements"] += dropped.size
            seen["differ"] += int(np.count_nonzero(dropped != without))
        found.append(seen)
    return {"found": found, "shape": list(shape)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single element whose gradient belongs to another mask than its output."""
    observed = [
        f"{seen['reason'] or _share(seen)} with {seen['how']}"
        for seen in evidence["found"]
        if seen["reason"] or seen["differ"]
    ]
    if observed:
        return Verdict.failed("; ".join(observed), promised=PROMISED)
    return Verdict.passed(f"{sum(seen['elements'] for seen in evidence['found'])} decisions recomputed alike")


def _share(seen: dict[str, object]) -> str:
    return f"{seen['differ']} of {seen['elements']} decisions differ"


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares both masks in the first way in which they differ."""
    assert case.dtype is not None  # noqa: S101
    seen = next(seen for seen in evidence["found"] if seen["reason"] or seen["differ"])
    per_call = evidence["shape"][0] == 1
    run = [
        f"    y = {code.checkpointed(DROP_PROB, seen['how'])}",
        f"    {code.backward}",
    ]
    if seen["reason"]:
        run = ["    try:", *(f"    {line}" for line in run), "    except Exception as error:"]
        run += ["        raise AssertionError('recomputing failed') from error"]
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB),
        f"for _ in range({DECISIONS if per_call else CALLS}):",
        *(f"    {line}" for line in code.input(tuple(evidence["shape"]), case.dtype, case.device)),
        f"    {code.track}",
        *run,
        "    assert x.grad is not None, 'the graph does not reach x'",
        "    differ = (y == 0) != (x.grad == 0)",
        "    assert not differ.any(), 'the gradient belongs to another mask than the output'",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must run under activation checkpointing; a recording cannot be driven",
    mutants=(
        "draws_from_numpy",
        "draws_from_python",
        "generator_of_its_own",
        "DrawsOneCallAhead",
        "DropsInTurns",
        "seeds_from_the_clock",
        "gradient_with_another_mask",
    ),
)
