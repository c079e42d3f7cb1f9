"""DP802 memory: no buffer of the size of x is made beside the output, and no loop runs over the samples.

What it checks
    Only where it is asked for (``--benchmark``): every operation of a call in training without gradients. What it makes
    that is as large as x, is not the output and holds nothing of x is a mask of full size, or zeros, and is broken
    where a decision is one of a sample or of the batch. A call with eight times as many samples must run about as many
    operations. Told beside: how often something of the size of x is written (a division before the product is a
    second time), the most memory that was held, and operations for whose values the CPU waits.
Why it matters
    A mask of full size takes as much memory as the activations that it multiplies, and with gradients it is kept for
    the backward pass. On an accelerator the layer takes the time of what it reads and writes.
How to fix
    Keep the mask in shape (B, 1, 1, …) and let the product broadcast it; put the scale into the mask.
Seen in
    Masks that are expanded and made contiguous, ``torch.where`` with ``zeros_like(x)``, loops over the samples.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.quantities import told
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.costs import Costs, Made, Ran

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB = 0.5
BATCH, FEWER = 512, 8  # samples, and by what they are divided for a second call
TRIES = 64  # calls, of which a layer that decides once a call drops all once in 2^64
PART = 4  # of the further samples, one in so many has an operation of its own: a loop over those that are kept
NAMES = {"_local_scalar_dense": "item", "_to_copy": "to"}


@dataclass(frozen=True)
class Seen:
    """What a call ran, and how many operations a call with fewer samples ran.

    Attributes:
        shape: Of x.
        ran: What the call ran.
        fewer: Samples of the other call.
        operations: How many operations that one ran.
    """

    shape: tuple[int, ...]
    ran: Ran
    fewer: int
    operations: int

    @property
    def loops(self) -> bool:
        """Whether further samples are further operations."""
        return self.ran.operations - self.operations >= (self.shape[0] - self.fewer) / PART

    @property
    def masks(self) -> tuple[Made, ...]:
        """Tensors of full size that hold nothing of x."""
        return tuple(made for made in self.ran.made if not made.of_x)


class Memory(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32", "bfloat16"))
    driven = "its operations must be watched while they run"
    needs = (Costs,)
    benchmark = True
    mutants = ("expands_its_mask", "stacks_sample_by_sample")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Watch two calls."""
        costs, shape = probe.ask(Costs), probe.declared(BATCH)
        if prod(shape[1:]) < 2:
            raise NotApplicable("a sample of one element is no smaller than its mask")
        fewer = max(1, shape[0] // FEWER)
        first, second = (_ran(costs, probe, (batch, *shape[1:])) for batch in (fewer, shape[0]))
        return Seen(shape, second, fewer, first.operations)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on masks of full size, where nothing asks for them, and on a loop."""
        wrong = []
        if seen.masks and at.dialect.granularity != "element":
            masks = ", ".join(f"{made.tensor} by {_name(made.op)} ({told(made.bytes)})" for made in seen.masks)
            wrong.append(f"as large as x, and holds nothing of it: {masks}")
        if seen.loops:
            wrong.append(
                f"a loop over the samples: {seen.ran.operations} operations for {seen.shape[0]} samples, "
                f"{seen.operations} for {seen.fewer}"
            )
        if wrong:
            return Verdict.failed(
                f"{'; '.join(wrong)}; {_rest(seen)}",
                promised=f"nothing of {list(seen.shape)} but what is made of x, in as many operations for any batch",
            )
        return Verdict.passed(_rest(seen))

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Watch the operations of a call, or of two."""
        script.layer(DROP_PROB)
        script.add(*script.spell.watch_operations())
        masks = bool(seen.masks) and at.dialect.granularity != "element"
        if not masks:
            script.add("counts = []")
        for shape in (seen.shape,) if masks else ((seen.fewer, *seen.shape[1:]), seen.shape):
            script.from_array(f"np.full({shape!r}, np.inf)", shape)
            with script.under(f"for _ in range({TRIES}):"):
                script.add("watch.returned.clear()")
                with script.under("with watch:"):
                    script.run(DROP_PROB)
                with script.under(f"if not np.isfinite({script.array('y')}).all():  # something is kept"):
                    script.add("break")
            if not masks:
                script.add("counts.append(len(watch.returned))")
        if masks:
            script.add("print('of the size of x:', watch.masks(x, y))", "assert not watch.masks(x, y)")
        else:
            most = (seen.shape[0] - seen.fewer) / PART
            script.add("print('operations:', counts)", f"assert counts[1] - counts[0] < {most:g}")


def _ran(costs: Costs, probe: LiveProbe[DtypeCase], shape: tuple[int, ...]) -> Ran:
    """Return what a call ran in which something is kept."""
    layer, x = probe.make(DROP_PROB), probe.tensor(np.full(shape, np.inf))
    try:
        layer(x, training=True)  # what a first call keeps for later ones is no cost of a call
    except TargetRaised as error:
        raise NotApplicable(f"the target does not take infinities: {error}") from error
    for _ in range(TRIES):
        ran = costs.ran(lambda x: layer(x, training=True), x)
        if ran.kept:
            return ran
    raise NotApplicable(f"nothing is kept in {TRIES} calls")


def _rest(seen: Seen) -> str:
    """Return what is told of every call."""
    ran, times = seen.ran, Counter(_name(op) for op in seen.ran.passes)
    written = ", ".join(op if number == 1 else f"{op} {number} times" for op, number in times.items())
    said = [
        f"{len(ran.passes)} of {ran.operations} operations write something of the size of x ({written or 'none'})",
        f"at most {ran.peak / ran.bytes:.3g} times x is held, the output included",
    ]
    if ran.waits:
        said.append(f"a device would be waited for by {', '.join(dict.fromkeys(_name(op) for op in ran.waits))}")
    return "; ".join(said)


def _name(op: str) -> str:
    return NAMES.get(op, op)
