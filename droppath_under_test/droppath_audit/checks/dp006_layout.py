"""DP006 layout: the output has the strides of x; channels_last stays channels_last.

What it checks
    In training and in evaluation, for x of rank 4 (or the SPEC's shape) that is contiguous, transposed, sliced, offset
    or channels_last, the output has the strides that an elementwise operation on x leaves.
Why it matters
    A layer that makes its output contiguous converts a channels_last network back at every block: each convolution
    after it converts again, and the speed that the format was chosen for is gone.
How to fix
    Use elementwise operations on x as it is; no contiguous(), reshape or view on the way.
Seen in
    Layers that flatten the samples before masking them and restore the shape afterwards.
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
from droppath_audit.frameworks.capabilities import Layouts
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 4
FEATURES = (3, 5, 2)
DROP_PROB = 0.5


@dataclass(frozen=True)
class Relaid:
    """A call that changed strides: the layout of x, the mode, the strides of x and of the output."""

    layout: str
    training: bool
    x: tuple[int, ...]
    y: tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """How many calls there were, those that changed strides, and the shape of x."""

    calls: int
    changed: tuple[Relaid, ...]
    shape: tuple[int, ...]


class Layout(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float64",))  # strides know no dtype
    driven = "its input must be laid out, and the layout of the output looked at"
    needs = (Layouts,)
    mutants = ("returns_contiguous",)

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare strides for every layout."""
        layouts, framework, fixed = probe.ask(Layouts), probe.framework, probe.target.fixed_shape
        shape = (BATCH, *(fixed[1:] if fixed else FEATURES))
        layer = probe.make(DROP_PROB)
        calls, changed = 0, []
        for layout in probe.layouts():
            if layout == "expanded":
                continue  # an elementwise operation gives such a tensor memory of its own
            for training in probe.modes:
                values = moderate(probe.rng, shape, probe.dtype)
                x = layouts.laid_out(values, probe.dtype, probe.at.device, layout)
                try:
                    y = layer(x, training=training)
                except TargetRaised as error:
                    raise NotApplicable(f"the target takes no input of this rank: {error}") from error
                if framework.info(y) != framework.info(x):
                    raise NotApplicable("the target does not keep the shape of this input (see DP005)")
                calls += 1
                before, after = layouts.strides(x), layouts.strides(y)
                if before != after:
                    changed.append(Relaid(layout, training, before, after))
        return Seen(calls, tuple(changed), shape)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single layout that is lost."""
        if not seen.changed:
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls keep the strides of x")
        last = seen.changed[-1]
        mode = "training" if last.training else "evaluation"
        return Verdict.failed(
            f"{last.layout} x of strides {list(last.x)} becomes {list(last.y)} in {mode}; "
            f"{len(seen.changed)} of {seen.calls} calls change strides"
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Print the strides before and after."""
        last = seen.changed[-1]
        script.layer(DROP_PROB, training=last.training)
        script.random(seen.shape, layout=last.layout)
        if script.invocation.takes_shortcut:
            script.add("shortcut = 0 * x  # of the same layout")
        script.run(DROP_PROB, training=last.training)
        # Of what an elementwise operation leaves, which for a sliced tensor are other strides than its own.
        x, y = script.spell.strides("(1 * x)"), script.spell.strides("(1 * y)")
        script.add(f"print({x}, '->', {y})", f"assert {x} == {y}")
