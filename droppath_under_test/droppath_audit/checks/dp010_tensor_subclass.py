"""DP010 tensor-subclass: an x of a subclass of the framework's tensors comes back as one.

What it checks
    An x that is an instance of a subclass with nothing of its own goes through the layer, in training and evaluation,
    at drop_prob 0, 0.5 and 1: nothing raises that does not raise for a plain tensor, and the output is an instance of
    the same subclass. Code that the framework compiles or scripts, and that sees no subclasses, is not applicable.
Why it matters
    Subclasses carry what belongs to a tensor: names of axes, units, boxes and masks of images, shards of a model. A
    layer that returns a plain tensor strips it in the middle of a network, often only in training.
How to fix
    Write the layer in ordinary operations on x, which keep its class. Do not take its data, its NumPy array or a plain
    view of it, and compare types by isinstance.
Seen in
    Layers that compute in NumPy, or on ``x.data`` of a plain view; guards of the form ``type(x) is Tensor``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Compiling, has
from droppath_audit.frameworks.manners import Subclasses

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 8
DROP_PROBS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Loss:
    """A call that has lost the subclass: where, and to what; or what it raised."""

    drop_prob: float
    training: bool
    what: str


@dataclass(frozen=True)
class Seen:
    """How many calls there were, and the losses."""

    calls: int
    lost: tuple[Loss, ...]


class TensorSubclass(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32",))  # classes know no dtype
    driven = "it must be given a tensor of a class of its own"
    needs = (Subclasses,)
    causes = ("unwrapping",)
    mutants = ("returns_a_plain_tensor", "plain_in_evaluation", "refuses_subclasses")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Call with a subclass, wherever a call with a plain tensor succeeds."""
        subclasses, compiling = probe.ask(Subclasses), has(probe.framework, Compiling)
        x, calls, lost, seen = probe.ones(probe.shape(BATCH, wide=True)), 0, [], False
        for drop_prob in probe.accepted(*DROP_PROBS):
            layer = probe.make(drop_prob)
            for training in probe.modes:
                layer(x, training=training)
                if compiling is not None and compiling.tried():
                    raise NotApplicable("compiled code sees no subclasses of its own")
                own: Tensor = subclasses.own(x)
                calls += 1
                try:
                    y = layer(own, training=training)
                except TargetRaised as error:
                    lost.append(Loss(drop_prob, training, f"raised {error}"))
                    seen = True
                    continue
                seen |= subclasses.noticed(own)
                if not subclasses.alike(own, y):
                    lost.append(Loss(drop_prob, training, f"gave a {type(y).__module__}.{type(y).__qualname__}"))
        if lost and not seen:
            raise NotApplicable("the framework runs the target where no subclass is seen, as scripted code")
        return Seen(calls, tuple(lost))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single call that loses it."""
        if not seen.lost:
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls keep the class of x")
        first = seen.lost[0]
        mode = "training" if first.training else "evaluation"
        return Verdict.failed(
            f"{len(seen.lost)} of {seen.calls} calls lose the class of x: in {mode} at drop_prob {first.drop_prob:g}, "
            f"one {first.what}"
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Call with a subclass and look at the class of what comes back."""
        first = seen.lost[0]
        script.layer(first.drop_prob, training=first.training)
        script.ones(script.shape(BATCH))
        script.add(script.spell.subclassed("x"))
        with script.must_not_raise("it takes no subclass"):
            script.run(first.drop_prob, training=first.training)
        script.add("print(type(x), '->', type(y))", "assert type(y) is type(x), 'the class of x is lost'")
