"""DP601 any-tensor: every deterministic promise holds for any shape, dtype, layout, mode, drop_prob and value.

What it checks
    Hypothesis generates calls: rank 1 to 8 with sizes 0 and 1, every floating and complex dtype of the device,
    transposed, sliced, offset and channels_last tensors, ones that repeat their memory along the first or the last
    axis (strides of zero), ones that torch conjugates or negates on reading (it has no negative strides), drop_prob at
    and next to its ends, both modes, gradients, and x with signed zeros, subnormals, infinities and NaN. After each
    call shape, dtype, device, the input's bytes, the values and the grouping of the mask are compared with the law. A
    failure is shrunk to its smallest example.
Why it matters
    Layers are written and tested on one shape in one dtype; users bring the others.
How to fix
    The smallest failing call is in the message; it is usually a rank, a size of 0 or a dtype that was not thought of.
Seen in
    EfficientNet-PyTorch's drop_connect (rank other than 4); mindcv (half precision).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.verdict import Verdict
from droppath_audit.fuzz.oracle import Violation, values_of, violations
from droppath_audit.fuzz.strategies import Example, alone, examples, landmarks
from droppath_audit.probes.inputs import features
from droppath_audit.scripts.snippets import broken_promise

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Target

# Dtypes beyond the standard four; a target may refuse these by an exception.
FURTHER = (
    "complex32",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
WITHOUT_ZERO = ("float8_e8m0fnu",)


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield a case for every floating and complex dtype that some device has."""
    return (Case(device, dtype, effort=effort) for dtype in (*DTYPES, *FURTHER))


def applicable(facts: Facts, case: Case) -> str:
    """Dtypes that the device does not have cannot be tried, and one without a zero cannot be dropped in."""
    if case.dtype in WITHOUT_ZERO:
        return f"{case.dtype} has no zero to drop to"
    return "" if case.dtype in facts.devices[case.device] else f"{case.device} has no {case.dtype}"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Let Hypothesis look for a call that breaks a promise, and shrink it."""
    import hypothesis

    assert case.dtype is not None  # noqa: S101
    dtype, failure = case.dtype, Failure()
    if dtype in FURTHER:
        _refuse(target, case)

    def holds(example: Example) -> None:
        failure.calls += 1
        try:
            found = violations(target, example, dtype, case.device)
        except TargetRaised as error:
            # Beyond the standard dtypes an operation may be missing for some shape or layout: a refusal as well.
            found = [] if dtype in FURTHER else [Violation("raised", f"raised {error}")]
        if found:
            failure.example, failure.found = example, found
            raise AssertionError(found[0].text)

    strategy = examples(
        target.framework.layouts,
        target.fixed_shape,
        evaluates=target.evaluates,
        refuses_keep_prob_zero=case.dialect.keep_prob_zero == "raises",
    )
    settings = hypothesis.settings(
        max_examples=case.effort.pick(30, 100, 1000),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate, hypothesis.Phase.shrink),
    )
    run = hypothesis.seed(int(rng.integers(2**63)))(settings(hypothesis.given(strategy)(holds)))
    for landmark in reversed(landmarks(target.fixed_shape)):
        if landmark.drop_prob < 1.0 or case.dialect.keep_prob_zero != "raises":
            run = hypothesis.example(landmark)(run)
    with alone():
        try:
            run()
        except (AssertionError, hypothesis.errors.Flaky):
            # Flaky: a target with a generator of its own need not fail twice; what was seen was seen.
            assert failure.example is not None  # noqa: S101
            return failure.to_evidence()
    return {"calls": failure.calls, "found": [], "example": None}


@dataclass
class Failure:
    """The last failing call: after shrinking, the smallest."""

    calls: int = 0
    example: Example | None = None
    found: list[Violation] = field(default_factory=list)

    def to_evidence(self) -> Evidence:
        """Return it as evidence."""
        assert self.example is not None  # noqa: S101
        return {
            "calls": self.calls,
            "found": [list(violation) for violation in self.found],
            "example": {**asdict(self.example), "shape": list(self.example.shape)},
        }


def _refuse(target: Target, case: Case) -> None:
    """Raise NotApplicable where the target refuses the dtype in a plain call."""
    assert case.dtype is not None  # noqa: S101
    shape = (4, *features(target, "float32", case.device))
    try:
        target.make(0.3)(target.framework.ones(shape, case.dtype, case.device), training=True)
    except TargetRaised as error:
        raise NotApplicable(f"the target refuses {case.dtype}: {error}") from error


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single call that breaks a promise."""
    if not evidence["found"]:
        return Verdict.passed(f"{evidence['calls']} generated calls")
    example = evidence["example"]
    mode = "training" if example["training"] else "evaluation"
    return Verdict.failed(
        f"{evidence['found'][0][1]}; smallest example: shape {example['shape']}, {example['layout']}, "
        f"drop_prob {example['drop_prob']!r}, {mode}",
        promised="every deterministic promise",
    )


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return the smallest failing call as a script, with its values."""
    assert case.dtype is not None  # noqa: S101
    example = Example(**{**evidence["example"], "shape": tuple(evidence["example"]["shape"])})
    kind, p = evidence["found"][0][0], example.drop_prob
    values = values_of(example, case.dtype).reshape(-1).tolist()
    lines = [
        "from math import inf, nan",
        *code.setup(example.seed),
        *code.construct(p, training=example.training),
        *code.literal(values, example.shape, case.dtype, case.device, example.layout),
    ]
    if kind == "gradient":
        lines += code.differentiate(p)
    else:
        lines += ["before = x.tolist()"] if kind == "written" else []
        lines += [f"y = {code.output(p, training=example.training)}"]
    return "\n".join([*lines, "print(x, y, sep='\\n')", *broken_promise(kind, p, case, code)])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be called on tensors that are made up as it goes; a recording cannot be driven",
    mutants=("mask_of_rank_four", "widened_to_float32", "writes_its_input", "raises_on_empty_batch"),
    applicable=applicable,
)
