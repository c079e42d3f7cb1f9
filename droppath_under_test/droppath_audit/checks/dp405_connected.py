"""DP405 connected: a dropped branch stays in the graph, with a zero gradient; in evaluation so does everything.

What it checks
    In every dtype, backward passes are run through batches in which every sample happened to be dropped: single
    samples and pairs at drop_prob 0.5, and everything at drop_prob 1. What lies before the layer must receive a
    gradient, and that gradient must be zero. A correct layer shows no such batch in 256 calls with probability
    (3/4)^256 = 1e-32; a target that shows none is not judged here. A layer with one decision a batch that adds the
    shortcut itself may skip a dropped branch, which then has no gradient at all, if the shortcut has its own in every
    call. In evaluation the gradient must be the one that comes in (for scaling=eval, keep_prob times that).
Why it matters
    Parameters that receive no gradient at all, not even zero, make data-parallel training wait for ever for their
    reduction, or stop with an error about unused parameters. With small batches per device it happens after hours.
    Saliency maps, adversarial examples and the training of what lies before a frozen network differentiate through
    layers in evaluation.
How to fix
    Multiply by the mask or select with where; do not return a fresh tensor of zeros when everything is dropped, nor
    the shortcut detached; return x itself in evaluation, neither detached nor under no_grad.
Seen in
    LayerDrop: fairseq issue 3599; layers that return torch.zeros_like(x) where a whole batch is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd
from droppath_audit.probes.wrapped import Evaluated, OfTheShortcut
from droppath_reference.law import evaluation_interval

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

SITUATIONS = ((0.5, 1), (0.5, 2), (0.5, 3), (1.0, 1), (1.0, 16), (1.0, 17))  # drop_prob, samples
CALLS = 256  # at most, in search of batches that were dropped
ENOUGH = 4  # of those
EVALUATED, SAMPLES = 0.3, 4  # drop_prob and samples in evaluation
PROMISED = "a gradient of zeros that reaches what lies before the layer"


@dataclass(frozen=True)
class Situation:
    """Batches of one size at one drop_prob: dropped ones, those without gradient, with another than zero, and why.

    ``skipped`` are those whose branch was not run, and ``shortcut`` what is wrong with the shortcut's gradient then.
    """

    drop_prob: float
    batch: int
    dropped: int
    disconnected: int
    nonzero: int
    reason: str
    skipped: int = 0
    shortcut: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        where = f"of {self.dropped} dropped batches of {self.batch} at drop_prob {self.drop_prob:g}"
        if self.shortcut:
            return f"where a batch of {self.batch} is skipped, {self.shortcut}"
        if self.disconnected:
            return f"{self.disconnected} {where}: {self.reason}"
        return f"{self.nonzero} {where} have a gradient other than zero" if self.nonzero else ""


@dataclass(frozen=True)
class Seen:
    """Situations in training, what is wrong with the gradient in evaluation if anything is, and the features of x."""

    situations: tuple[Situation, ...]
    evaluated: str
    features: tuple[int, ...]


class Connected(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    driven = "its graph must be looked at"
    needs = (Autograd,)
    mutants = (
        "fresh_zeros_at_keep_prob_zero",
        "fresh_zeros_for_a_dropped_batch",
        "SkipsADroppedBranch",
        "detached_in_evaluation",
        "gradient_in_pairs",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Run backward passes until enough batches came back dropped, and one in evaluation."""
        features, accepted = probe.features(), probe.accepted(0.5, 1.0)
        situations = tuple(_dropped(probe, p, batch) for p, batch in SITUATIONS if p in accepted)
        evaluated = _evaluated(probe) if probe.target.evaluates else ""
        if not any(situation.dropped for situation in situations) and not evaluated:
            raise NotApplicable("no batch came back dropped (see DP102, DP301)")
        return Seen(situations, evaluated, features)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single dropped batch without a gradient of zeros, or on a wrong gradient in evaluation."""
        for situation in seen.situations:
            if situation.wrong:
                return Verdict.failed(situation.wrong, promised=PROMISED)
        if seen.evaluated:
            return Verdict.failed(f"in evaluation {seen.evaluated}", promised="the gradient of evaluation's output")
        if any(situation.skipped for situation in seen.situations):
            return Verdict.not_applicable(
                "a dropped branch is skipped, as in Huang et al. 2016, and the shortcut keeps its gradient; data-"
                "parallel training has to be told of unused parameters"
            )
        dropped = sum(situation.dropped for situation in seen.situations)
        return Verdict.passed(f"{dropped} of {dropped} dropped batches pass a gradient of zeros on")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Wait for a dropped batch and look at its gradient, or look at that of evaluation."""
        first = next((situation for situation in seen.situations if situation.wrong), None)
        if first is None:
            low, high = _promised_in_evaluation(at)
            script.layer(EVALUATED, training=False)
            script.ones((SAMPLES, *seen.features))
            script.differentiate(EVALUATED, training=False)
            script.add(
                "print('the gradient in evaluation is', gradient)",
                f"assert (({low!r} <= gradient) & (gradient <= {high!r})).all()",
            )
            return
        if first.shortcut:
            script.shortcut_keeps_its_gradient(first.drop_prob, (first.batch, *seen.features), CALLS)
            return
        script.layer(first.drop_prob)
        script.ones((first.batch, *seen.features))
        script.track()
        with script.under(f"for _ in range({CALLS}):"):
            script.run(first.drop_prob)
            with script.under(f"if ({script.array('y')} == 0).all():"):
                script.add("break")
        script.backward()
        script.read_gradient()
        script.add("print('everything was dropped; the gradient is', gradient)", "assert (gradient == 0).all()")


def _dropped(probe: LiveProbe[DtypeCase], drop_prob: float, batch: int) -> Situation:
    """Run backward passes until enough batches came back dropped."""
    framework, layer, x = probe.framework, probe.make(drop_prob), probe.ones(probe.shape(batch))
    dropped = disconnected = nonzero = skipped = 0
    reason = ""
    for _ in range(CALLS):
        result = probe.ask(Autograd).gradient(layer, x, x)
        if np.any(framework.numpy(result.output) != 0):
            continue
        dropped += 1
        if result.gradient is None and probe.target.dialect.skips_branch:
            skipped += 1
        elif result.gradient is None:
            disconnected, reason = disconnected + 1, result.reason
        elif np.any(framework.numpy(result.gradient) != 0):
            nonzero += 1
        if dropped == ENOUGH:
            break
    shortcut = _of_the_shortcut(probe, drop_prob, batch) if skipped else ""
    return Situation(drop_prob, batch, dropped, disconnected, nonzero, reason, skipped, shortcut)


def _of_the_shortcut(probe: LiveProbe[DtypeCase], drop_prob: float, batch: int) -> str:
    """Return what is wrong with the gradient of the shortcut in calls of which some are skipped."""
    x = probe.ones(probe.shape(batch))
    layer = OfTheShortcut(probe.make(drop_prob), probe.framework.zeros_like(x))
    for _ in range(CALLS):
        result = probe.ask(Autograd).gradient(layer, x, x)
        if result.gradient is None:
            return f"the shortcut has no gradient: {result.reason}"
        if np.any(probe.framework.numpy(result.gradient) != 1):
            return "the gradient of the shortcut is not the one that comes in"
    return ""


def _evaluated(probe: LiveProbe[DtypeCase]) -> str:
    """Return what is wrong with the gradient in evaluation, if anything is."""
    x = probe.ones(probe.shape(SAMPLES))
    result = probe.ask(Autograd).gradient(Evaluated(probe.make(EVALUATED)), x, x)
    if result.gradient is None:
        return result.reason
    low, high = _promised_in_evaluation(probe.at)
    gradient = probe.framework.numpy(result.gradient)
    wrong = ~((low <= gradient) & (gradient <= high))
    return f"the gradient of {int(wrong.sum())} of {wrong.size} elements is wrong" if wrong.any() else ""


def _promised_in_evaluation(at: DtypeCase) -> tuple[float, float]:
    """Return the interval of the gradient for a cotangent of one, which is that of the output for an input of one."""
    low, high = evaluation_interval(1.0, EVALUATED, at.dtype, scaling=at.dialect.scaling)
    return float(low), float(high)
