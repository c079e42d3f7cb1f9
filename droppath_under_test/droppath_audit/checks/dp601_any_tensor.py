"""DP601 any-tensor: every deterministic promise holds for any shape, dtype, layout, mode, drop_prob and value.

What it checks
    Hypothesis generates calls: rank 1 to 8 with sizes 0 and 1, every floating and complex dtype of the device,
    transposed, sliced, offset and channels_last tensors, ones that repeat their memory along the first or the last
    axis (strides of zero), ones that torch conjugates or negates on reading (it has no negative strides), drop_prob at
    and next to its ends, both modes, gradients, and x with signed zeros, subnormals, infinities, NaN and numbers of
    every magnitude. After each call shape, dtype, device, the input's bytes, the values and the grouping of the mask
    are compared with the law. A failure is shrunk to its smallest example.
Why it matters
    Layers are written and tested on one shape in one dtype; users bring the others.
How to fix
    The smallest failing call is in the message; it is usually a rank, a size of 0 or a dtype that was not thought of.
Seen in
    EfficientNet-PyTorch's drop_connect (rank other than 4); mindcv (half precision).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import DTYPES, Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.fuzz.oracle import Violation, values_of, violations
from droppath_audit.fuzz.showing import broken_promise
from droppath_audit.fuzz.strategies import Example, alone, examples, landmarks

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

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


@dataclass(frozen=True)
class Seen:
    """Calls that were made, and the smallest one that broke promises, with these."""

    calls: int
    found: tuple[Violation, ...] = ()
    example: Example | None = None


@dataclass
class _Failure:
    """The last failing call: after shrinking, the smallest."""

    calls: int = 0
    example: Example | None = None
    found: list[Violation] = field(default_factory=list)


class AnyTensor(Check[Seen, DtypeCase]):
    where = Dtypes((*DTYPES, *FURTHER))
    driven = "it must be called on tensors that are made up as it goes"
    lengthy = True
    together = "Hypothesis"
    broad = True
    mutants = (
        "mask_of_rank_four",
        "widened_to_float32",
        "writes_its_input",
        "raises_on_empty_batch",
        "clamps_to_half_precision",
    )

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """Dtypes that the device does not have cannot be tried, and one without a zero cannot be dropped in."""
        if at.dtype in WITHOUT_ZERO:
            return f"{at.dtype} has no zero to drop to"
        return "" if at.dtype in facts.devices[at.device] else f"{at.device} has no {at.dtype}"

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Let Hypothesis look for a call that breaks a promise, and shrink it."""
        import hypothesis

        at, failure = probe.at, _Failure()
        if at.dtype in FURTHER:
            _refuse(probe)

        def holds(example: Example) -> None:
            if not probe.target.takes(example.shape):
                return
            failure.calls += 1
            try:
                found = violations(probe.target, example, at.dtype, at.device)
            except TargetRaised as error:
                # Beyond the standard dtypes an operation may be missing for some shape or layout: a refusal as well.
                found = [] if at.dtype in FURTHER else [Violation("raised", f"raised {error}")]
            if found:
                failure.example, failure.found = example, found
                raise AssertionError(found[0].text)

        gradients = has(probe.framework, Autograd) is not None
        refuses, fixed = at.dialect.keep_prob_zero == "raises", probe.target.fixed_shape
        smaller = None if fixed is None else probe.features(wide=True)
        strategy = examples(
            probe.layouts(),
            fixed,
            evaluates=probe.target.evaluates,
            gradients=gradients,
            refuses_keep_prob_zero=refuses,
            smaller=smaller,
        )
        settings = hypothesis.settings(
            max_examples=at.effort.pick(15, 100, 1000),
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate, hypothesis.Phase.shrink),
        )
        run = hypothesis.seed(int(probe.rng.integers(2**63)))(settings(hypothesis.given(strategy)(holds)))
        for landmark in reversed(landmarks(fixed, gradients=gradients, smaller=smaller)):
            if landmark.drop_prob < 1.0 or not refuses:
                run = hypothesis.example(landmark)(run)
        with alone():
            try:
                run()
            except (AssertionError, hypothesis.errors.Flaky):
                # Flaky: a target with a generator of its own need not fail twice; what was seen was seen.
                return Seen(failure.calls, tuple(failure.found), failure.example)
        return Seen(failure.calls)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single call that breaks a promise."""
        example = seen.example
        if example is None:
            return Verdict.passed(f"{seen.calls} generated calls")
        return Verdict.failed(
            f"{seen.found[0].text}; smallest example: shape {list(example.shape)}, {example.layout}, "
            f"drop_prob {example.drop_prob!r}, {'training' if example.training else 'evaluation'}",
            promised="every deterministic promise",
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Make the smallest failing call, with its values."""
        example = seen.example
        if example is None:
            return
        kind, p = seen.found[0].kind, example.drop_prob
        values = values_of(example, at.dtype).reshape(-1).tolist()
        script.first_seed = example.seed
        script.layer(p, training=example.training)
        script.literal(values, example.shape, layout=example.layout)
        if kind == "gradient":
            script.differentiate(p)
        else:
            if kind == "written":
                script.add(f"before = {script.array('x')}.copy()")
            script.run(p, training=example.training)
        script.add("print(x, y, sep='\\n')")
        broken_promise(kind, p, at.dtype, script, values)


def _refuse(probe: LiveProbe[DtypeCase]) -> None:
    """Raise NotApplicable where the target refuses the dtype in a plain call."""
    try:
        probe.make(0.3)(probe.ones((4, *probe.features(dtype="float32"))), training=True)
    except TargetRaised as error:
        raise NotApplicable(f"the target refuses {probe.dtype}: {error}") from error
