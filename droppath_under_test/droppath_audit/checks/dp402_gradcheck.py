"""DP402 gradcheck: with its mask held fixed, the gradient agrees with finite differences, also where x is zero.

What it checks
    In float64, at drop_prob 0, 0.1, 0.5, 0.9 and 1, the framework's own gradient check perturbs every element of x
    and compares the change of the output with the gradient. The generator is seeded before every evaluation, so that
    all of them have the same mask. Some elements of x are zero. A target whose mask the framework's seed does not fix
    is not applicable (see DP501).
Why it matters
    It is the definition of a gradient. It finds what a comparison with the output cannot, such as a backward pass
    that takes "the output is zero" for "dropped".
How to fix
    Let autograd differentiate the multiplication; in a custom backward, save the mask itself.
Seen in
    Hand-written backward passes that save their output to save memory, as those of activation functions do.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Layer, Target, Tensor

BATCH = 8
# Of as many pairs of independent masks all are alike with probability (0.9² + 0.1²)^128 = 1e-11 at most.
REPEATED = 128
DROP_PROBS = (0.0, 0.1, 0.5, 0.9, 1.0)


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield float64 at each drop_prob; finite differences need its digits."""
    return (Case(device, "float64", drop_prob, effort=effort) for drop_prob in DROP_PROBS)


def applicable(facts: Facts, case: Case) -> str:
    """A target that declares to refuse keep_prob = 0 has no gradient there."""
    refused = facts.dialect.keep_prob_zero == "raises" and case.drop_prob == 1.0
    return "the target declares that it refuses keep_prob = 0" if refused else ""


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Run the framework's gradient check with a few masks."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, layer = target.framework, target.make(case.drop_prob)
    values = moderate(rng, (BATCH, *features(target, case.dtype, case.device)), case.dtype)
    values.reshape(-1)[::3] = 0.0
    # New tensors each time: a target that writes to its input breaks DP004, not this promise.
    x = partial(framework.tensor, values, case.dtype, case.device)
    masks = case.effort.pick(2, 3, 16)
    if not _repeats(target, layer, x, int(rng.integers(2**31))):
        raise NotApplicable("the framework's seed does not fix the mask (see DP501)")
    for _ in range(masks):
        seed = int(rng.integers(2**31))
        difference = framework.gradcheck(layer, x(), seed)
        if difference:
            return {"masks": masks, "difference": difference, "seed": seed, "shape": list(values.shape)}
    return {"masks": masks, "difference": ""}


def _repeats(target: Target, layer: Layer, x: Callable[[], Tensor], seed: int) -> bool:
    """Return whether a layer, seeded again, has the same mask again; finite differences of others show nothing.

    By calls that are seeded one by one, as those of the framework's check are, and by many seeds: of a layer that
    alternates between two masks, both may be alike for one.
    """
    framework = target.framework

    def output(seed: int) -> npt.NDArray[np.uint8]:
        framework.seed(seed)
        return framework.bits(layer(x(), training=True))

    return all(np.array_equal(output(one), output(one)) for one in range(seed, seed + REPEATED))


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where gradient and finite differences disagree."""
    if evidence["difference"]:
        return Verdict.failed(evidence["difference"].rstrip(":., "), promised="the gradient of the same mask")
    return Verdict.passed(f"{evidence['masks']} masks agree with finite differences")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the gradient with one central difference for each element, by hand."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    seed = code.setup(evidence["seed"])[-1]
    p = case.drop_prob
    return "\n".join([
        *code.setup(),
        *code.construct(p),
        *code.input(tuple(evidence["shape"]), case.dtype, case.device, random=True),
        "x.view(-1)[::3] = 0",
        code.track,
        seed,
        f"y = {code.output(p)}",
        code.backward,
        "gradient = x.grad.view(-1)",
        "x = x.detach()",
        "for i in range(x.numel()):",
        "    total = []",
        "    for step in (1e-6, -1e-6):",
        "        x.view(-1)[i] += step",
        f"        {seed}",
        f"        total.append({code.output(p)}.sum())",
        "        x.view(-1)[i] -= step",
        "    difference = (total[0] - total[1]) / 2e-6",
        "    print(i, gradient[i], difference)",
        "    assert abs(gradient[i] - difference) < 1e-3 * (1 + abs(difference))",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called again with its mask held fixed and x moved; a recording cannot be driven",
    mutants=("mask_read_off_the_output", "gradient_with_another_mask", "gradient_without_factor"),
    applicable=applicable,
)
