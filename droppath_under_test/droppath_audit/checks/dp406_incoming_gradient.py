"""DP406 incoming-gradient: the backward pass takes any gradient that comes in, and leaves it as it was.

What it checks
    At drop_prob 0.5 in float32, backward passes begin with incoming gradients of every layout that the framework has
    (transposed, sliced, channels-last, broadcast from fewer numbers), and with infinities and NaN among their values.
    The gradient of x must be that of the law: zero where the output was dropped, the incoming one times the factor
    where it was kept, so that what is not finite stays so. The incoming gradient must have the same bytes afterwards,
    and no write to it may have been counted. Of dropped elements whose incoming gradient is not finite nothing is
    promised: zero times infinity is NaN in sound code as well.
Why it matters
    What comes in is laid out as the next layer left it: a transposition, a sum or a slice behind the layer is enough.
    It may be somebody else's, too: where an output is used twice, the other use gets what was written to it. Loss
    scaling skips a step where it finds infinities; one that disappeared lets a broken step pass.
How to fix
    In a backward pass by hand use reshape in place of view, operations without the trailing underscore, and neither
    clamp nor nan_to_num; or let autograd differentiate the multiplication.
Seen in
    Hand-written backward passes that call ``grad.view(-1)`` or ``grad.mul_(mask)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, Layouts, WriteCounts, has
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.values import moderate
from droppath_reference.law import gradient_interval, multiplier

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, BATCH = 0.5, 32
TURNS = 16  # where a call is one decision: all of them are dropped, or kept, once in 32,768
ORDINARY, NON_FINITE = "contiguous", "non-finite"
UNTRIED = ("offset", "conjugated", "negated")  # no operation behind a layer makes such a gradient
RAISED, WRONG, WRITTEN = "raised", "wrong", "written"


@dataclass(frozen=True)
class Fault:
    """What was wrong with one incoming gradient.

    Attributes:
        form: Its layout, or ``non-finite``.
        kind: ``raised``, ``wrong`` or ``written``.
        observed: What was seen, in words.
    """

    form: str
    kind: str
    observed: str


@dataclass(frozen=True)
class Seen:
    """The shape of x, the incoming gradients that were tried, and what was wrong with them."""

    shape: tuple[int, ...]
    tried: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


class IncomingGradient(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # strides know no dtype
    driven = "a gradient must be handed to its backward pass"
    needs = (Autograd,)
    mutants = (
        "backward_views_its_gradient",
        "backward_writes_to_its_gradient",
        "backward_repairs_its_gradient",
        "backward_by_raw_memory",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Hand over a plain gradient, then those that are less so."""
        shape = probe.declared(BATCH)
        if (first := _fault(probe, ORDINARY, shape)) is not None and first.kind != WRITTEN:
            raise NotApplicable(f"the backward pass is wrong for any gradient (see DP401): {first.observed}")
        forms = [form for form in probe.layouts() if form not in (ORDINARY, *UNTRIED)]
        found = [first, *(_fault(probe, form, shape) for form in (*forms, NON_FINITE))]
        return Seen(shape, (ORDINARY, *forms, NON_FINITE), tuple(fault for fault in found if fault is not None))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single gradient that is refused, written to, or not passed on as the law says."""
        if not seen.faults:
            return Verdict.passed(f"passed on as the law says: {', '.join(seen.tried)}")
        alike = [fault.form for fault in seen.faults if fault.kind == seen.faults[0].kind]
        first = seen.faults[0]
        return Verdict.failed(f"with {', '.join(alike)} incoming gradients, {first.observed}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Hand such a gradient over, and look at it and at the gradient of x."""
        fault = seen.faults[0]
        script.layer(DROP_PROB)
        script.ones(seen.shape)
        script.track()
        script.run(DROP_PROB)
        spell, device = script.spell, repr(at.device)
        given = spell.random(repr(seen.shape), at.dtype, device)
        if fault.form == NON_FINITE:
            script.add(f"values = np.ones({seen.shape})", "values.reshape(-1)[::2] = np.inf")
            script.add("values.reshape(-1)[::3] = np.nan")
            given = spell.literal("values.ravel().tolist()", repr(seen.shape), at.dtype, device)
        script.add(f"incoming = {given}")
        if fault.form not in (ORDINARY, NON_FINITE):
            script.add(f"incoming = {spell.layout('incoming', fault.form)}")
        script.add(f"before = {script.array('incoming')}.copy()")
        with script.must_not_raise("the backward pass refuses this gradient"):
            script.add(spell.backward_from("y", "incoming"))
        script.add(
            f"after = {script.array('incoming')}",
            "assert np.array_equal(before, after, equal_nan=True), 'the incoming gradient was written to'",
        )
        script.read_gradient()
        factor = multiplier(DROP_PROB, at.dialect.scaling)
        script.add(
            f"kept = {script.array('y')} != 0",
            f"wrong = kept & ~np.isclose(gradient, {factor!r} * before, rtol=1e-5, equal_nan=True)",
            "print(wrong.sum(), 'of', kept.sum(), 'kept elements have another gradient than their factor times it')",
            "assert not wrong.any()",
        )


def _fault(probe: LiveProbe[DtypeCase], form: str, shape: tuple[int, ...]) -> Fault | None:
    """Return what is wrong with incoming gradients of one form; None where nothing is."""
    framework, counts = probe.framework, has(probe.framework, WriteCounts)
    layer = probe.make(DROP_PROB)
    for _ in range(TURNS if probe.at.per_call else 1):
        x, incoming = probe.tensor(moderate(probe.rng, shape, probe.dtype)), _incoming(probe, form, shape)
        given, before = framework.numpy(incoming), framework.bits(incoming).copy()
        version = counts.version(incoming) if counts else 0
        try:
            result = gradient_of(probe.target, layer, x, incoming)
        except TargetRaised as error:
            return Fault(form, RAISED, f"the backward pass raised {error}")
        if result.gradient is None:
            return Fault(form, WRONG, result.reason)
        if not np.array_equal(framework.bits(incoming), before):
            return Fault(form, WRITTEN, "the backward pass wrote to what came in")
        if counts and counts.version(incoming) != version:
            return Fault(form, WRITTEN, "the backward pass wrote to what came in, the values that it had")
        if wrong := _wrong(probe, given, framework.numpy(result.output), framework.numpy(result.gradient)):
            return Fault(form, WRONG, wrong)
    return None


def _incoming(probe: LiveProbe[DtypeCase], form: str, shape: tuple[int, ...]) -> Tensor:
    """Return an incoming gradient of one form."""
    values = moderate(probe.rng, shape, probe.dtype)
    if form == NON_FINITE:
        flat = values.reshape(-1)
        flat[::4], flat[1::4], flat[2::4] = np.inf, -np.inf, np.nan
    if form in (ORDINARY, NON_FINITE):
        return probe.tensor(values)
    return probe.ask(Layouts).laid_out(values, probe.dtype, probe.at.device, form)


def _wrong(
    probe: LiveProbe[DtypeCase], given: npt.NDArray[np.float64], y: npt.NDArray[np.float64],
    gradient: npt.NDArray[np.float64],
) -> str:  # fmt: skip
    """Return what is wrong with a gradient of x, given what came in and what the output shows of the mask."""
    low, high = gradient_interval(given, DROP_PROB, probe.dtype, scaling=probe.at.dialect.scaling)
    dropped, finite = y == 0, np.isfinite(given)
    passed_on = ((low <= gradient) & (gradient <= high)) | (np.isnan(given) & np.isnan(gradient))
    wrong = np.where(dropped, finite & (gradient != 0), ~passed_on)
    if not wrong.any():
        return ""
    where = tuple(np.argwhere(wrong)[0])
    of = "dropped" if dropped[where] else "kept"
    return f"{of} elements have a wrong gradient, such as {gradient[where]:.6g} where {given[where]:.6g} came in"
