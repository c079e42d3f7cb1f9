"""DP304 small-tensors: empty batches, single samples, features of size 0 and 1-D inputs give the right shape.

What it checks
    In every dtype, for B = 0, B = 1, features of size 0 and inputs of rank 1, at drop_prob 0, 0.5 and 1, in training
    and in evaluation, the call returns a tensor of x's shape, dtype and device, and the backward pass returns a
    gradient of that shape. An input fixed by the SPEC is tried with 0 and 1 samples.
Why it matters
    The last batch of a shard is empty or holds one sample, a detector finds nothing, a filter selects no tokens: what
    worked for hours then stops.
How to fix
    Derive the mask's shape from x's alone; no -1 in reshape or view, no division by the batch size, no squeeze.
Seen in
    Layers that flatten samples with -1, which a tensor without elements leaves undetermined; per-sample loops that
    stack an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.probes.gradients import gradient_of

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

SHAPES = (
    (0,),
    (1,),
    (3,),
    (0, 4),
    (1, 4),
    (3, 0),
    (1, 0),
    (0, 0),
    (0, 2, 3, 3),
    (1, 2, 3, 3),
    (3, 2, 0, 3),
    (3, 0, 1, 1),
)
BATCHES = (0, 1)
DROP_PROBS = (0.0, 0.5, 1.0)
BACKWARD = "backward"
MODES = {True: "training", False: "evaluation"}


@dataclass(frozen=True)
class Wrong:
    """A call that gave something else: shape of x, mode and drop_prob; what was promised and found, in words."""

    shape: tuple[int, ...]
    mode: str
    drop_prob: float
    promised: str
    found: str


@dataclass(frozen=True)
class Seen:
    """How many calls there were, and those that gave something else."""

    calls: int
    wrong: tuple[Wrong, ...]


class SmallTensors(Check[Seen, DtypeCase]):
    where = Dtypes()
    driven = "it must be called on tensors without elements"
    mutants = ("raises_on_empty_batch", "flattens_its_samples", "squeezes_single_samples")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Run every shape forward in both modes, and backward."""
        fixed = probe.target.fixed_shape
        shapes = tuple((batch, *fixed[1:]) for batch in BATCHES) if fixed else SHAPES
        shapes = tuple(shape for shape in shapes if probe.target.takes(shape))
        modes = [MODES[training] for training in probe.modes]
        modes += [BACKWARD] if has(probe.framework, Autograd) else []
        calls, wrong = 0, []
        for drop_prob in probe.accepted(*DROP_PROBS):
            layer = probe.make(drop_prob)
            for shape in shapes:
                x = probe.ones(shape)
                promised = str(probe.framework.info(x))
                for mode in modes:
                    calls += 1
                    found = _outcome(probe, layer, x, mode)
                    if found != promised:
                        wrong.append(Wrong(shape, mode, drop_prob, promised, found))
        return Seen(calls, tuple(wrong))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single call that gives something else."""
        if not seen.wrong:
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls give the right shape")
        first = seen.wrong[0]
        return Verdict.failed(
            f"{first.found} for shape {list(first.shape)} in {first.mode} at drop_prob {first.drop_prob:g}"
            + (f"; {len(seen.wrong)} of {seen.calls} calls are wrong" if len(seen.wrong) > 1 else ""),
            promised=first.promised,
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Make the first call that went wrong."""
        first = seen.wrong[0]
        training = first.mode != MODES[False]
        script.layer(first.drop_prob, training=training)
        script.ones(first.shape)
        with script.must_not_raise(f"shape {first.shape} is refused"):
            if first.mode == BACKWARD:
                script.differentiate(first.drop_prob)
            else:
                script.run(first.drop_prob, training=training)
        if first.mode == BACKWARD:
            script.add(f"assert {script.spell.info(script.spell.gradient('x'))} == {script.spell.info('x')}")
        else:
            script.same_info()


def _outcome(probe: LiveProbe[DtypeCase], layer: Layer, x: Tensor, mode: str) -> str:
    """Return the description of what comes back, or why nothing does."""
    try:
        if mode == BACKWARD:
            result = gradient_of(probe.target, layer, x, x)
            return result.reason or str(probe.framework.info(result.gradient))
        return str(probe.framework.info(layer(x, training=mode == MODES[True])))
    except (TargetRaised, TypeError) as error:
        return str(error)
