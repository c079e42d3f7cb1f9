"""DP404 checkpointing: under activation checkpointing the recomputed mask is that of the first forward pass.

What it checks
    The layer runs under the framework's activation checkpointing a few times, in each way that it offers (torch:
    use_reentrant True, and from standard effort on False), alone and with a second call of it in the part that is
    recomputed: the elements that the output dropped must be those without a gradient. Recomputation happens with the
    state of the framework's default generators restored, those of the CPU and of the devices of the arguments. Nothing
    else is: not Python's or NumPy's generators, not a torch.Generator that a layer owns, and not anything a layer
    remembers of its calls. In a data-loader worker or another process nothing changes in this.
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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, Checkpointing
from droppath_audit.probes.gradients import apart, checkpointed_gradient_of, require_gradient
from droppath_audit.probes.wrapped import CalledBetween

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

# 64 decisions a call, or a call each, at drop_prob 0.5: a second mask agrees by chance once in 2^64.
DECISIONS, CALLS, DROP_PROB = 64, 8, 0.5


@dataclass(frozen=True)
class Way:
    """What was seen in one way of checkpointing: elements, those whose masks differ, and why there is no gradient.

    ``odd``: whether it takes an odd batch; ``again``: whether it takes a second call in the part that is recomputed.
    """

    how: str
    elements: int
    differ: int
    reason: str
    odd: bool = False
    again: bool = False

    @property
    def wrong(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        if not self.reason and not self.differ:
            return ""
        return f"{self.reason or f'{self.differ} of {self.elements} decisions differ'} with {self.how}"


@dataclass(frozen=True)
class Seen:
    """What was seen in each way, and the shape of x."""

    ways: tuple[Way, ...]
    shape: tuple[int, ...]


class RecomputedMask(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # the dtype has no part in where random numbers come from
    driven = "it must run under activation checkpointing"
    needs = (Autograd, Checkpointing)
    together = "torch's compiler"  # which torch's second way imports
    mutants = (
        "draws_from_numpy",
        "draws_from_python",
        "generator_of_its_own",
        "DrawsOneCallAhead",
        "DropsInTurns",
        "seeds_from_the_clock",
        "gradient_with_another_mask",
        "gradient_in_pairs",
        "RecomputesWithItsLastMask",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare the mask of the output with that of the gradient, call after call, in each way."""
        shape = probe.shape(1 if probe.at.per_call else DECISIONS)
        x, checkpoints = probe.ones(shape), probe.ask(Checkpointing).checkpoints
        require_gradient(probe.target, DROP_PROB, x)
        # The second way of torch imports its compiler, for a second or so: not at quick effort.
        ways = probe.at.effort.pick(checkpoints[:1], checkpoints, checkpoints)
        if probe.target.dialect.skips_branch:
            ways = checkpoints[-1:]  # the first of torch refuses outputs that are part of no graph
        return Seen(tuple(_way(probe, x, how) for how in ways), shape)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single element whose gradient belongs to another mask than its output."""
        observed = [way.wrong for way in seen.ways if way.wrong]
        if observed:
            return Verdict.failed("; ".join(observed), promised="the mask of the recomputation is that of the output")
        return Verdict.passed(f"{sum(way.elements for way in seen.ways)} decisions recomputed alike")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Compare both masks in the first way in which they differ."""
        first = next(way for way in seen.ways if way.wrong)
        how, batch = first.how, max(1, seen.shape[0] - first.odd)
        script.layer(DROP_PROB)
        with script.under(f"for _ in range({_calls(at)}):"):
            script.ones((batch, *seen.shape[1:]))
            script.track()
            with script.must_not_raise("recomputing failed"):
                called = script.call(DROP_PROB)
                called = f"({called}, {called})[0]" if first.again else called
                script.add(f"y = {script.spell.checkpoint(called, how)}")
                script.backward()
            script.read_gradient()
            script.same_mask(script.array("y"))


def _calls(at: DtypeCase) -> int:
    return DECISIONS if at.per_call else CALLS


def _way(probe: LiveProbe[DtypeCase], x: Tensor, how: str) -> Way:
    """Run a fresh layer in one way, until that is impossible."""
    layer, framework = probe.make(DROP_PROB), probe.framework
    twice = CalledBetween(layer)
    elements = 0
    batch, *features = framework.info(x).shape
    fewer = probe.ones((max(1, batch - 1), *features))
    for turn in range(_calls(probe.at)):
        odd, again = bool(turn % 2), turn % 4 > 1
        given, called = fewer if odd else x, twice if again else layer
        try:
            result = checkpointed_gradient_of(probe.target, called, given, given, how)
        except TargetRaised as error:
            return Way(how, elements, 0, f"raised {error}", odd, again)
        if result.gradient is None:
            return Way(how, elements, 0, result.reason, odd, again)
        wrong = apart(probe.target, result)
        elements += wrong.size
        differ = int(np.count_nonzero(wrong))
        if differ:
            return Way(how, elements, differ, "", odd, again)
    return Way(how, elements, 0, "")
