"""DP402 gradcheck: with its mask held fixed, the gradient agrees with finite differences, also where x is zero.

What it checks
    In float64, on even and odd batches, at drop_prob 0, 0.1, 0.5, 0.9 and 1, the framework's own gradient check
    perturbs every element of x and compares the change of the output with the gradient. The generator is seeded before
    every evaluation, so that all of them have the same mask. Some elements of x are zero. A target whose mask the
    framework's seed does not fix is not applicable (see DP501).
Why it matters
    It is the definition of a gradient. It finds what a comparison with the output cannot, such as a backward pass
    that takes "the output is zero" for "dropped".
How to fix
    Let autograd differentiate the multiplication; in a custom backward, save the mask itself.
Seen in
    Hand-written backward passes that save their output to save memory, as those of activation functions do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 8
LARGEST = 512  # elements of x, each of which is moved twice
# Of as many pairs of independent masks all are alike with probability (0.9² + 0.1²)^128 = 1e-11 at most.
REPEATED = 128


@dataclass(frozen=True)
class Seen:
    """Masks that were tried, and where one disagreed how, with what seed; and the shape of x."""

    masks: int
    shape: tuple[int, ...]
    difference: str = ""
    seed: int = 0


class Gradcheck(Check[Seen, Cell]):
    bound_to_dtype = True  # finite differences need it
    where = Cells((0.0, 0.1, 0.5, 0.9, 1.0), ("float64",))  # finite differences need its digits
    in_variants = Cells((0.5,), ("float64",))
    driven = "it must be called again with its mask held fixed and x moved"
    needs = (Autograd,)
    together = "torch's compiler"  # torch.autograd.gradcheck imports SymPy, a part of it
    mutants = (
        "mask_read_off_the_output",
        "gradient_with_another_mask",
        "gradient_without_factor",
        "gradient_in_pairs",
    )

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Run the framework's gradient check with a few masks."""
        size = max(1, prod(probe.features()))
        if size > LARGEST:
            raise NotApplicable(f"finite differences of the {size:,} elements of a sample take too long")
        layer, shape = probe.make(), probe.shape(min(BATCH, max(1, LARGEST // size)))
        values = moderate(probe.rng, shape, probe.dtype)
        values.reshape(-1)[::3] = 0.0

        def x(batch: int = shape[0]) -> Tensor:
            # New tensors each time: a target that writes to its input breaks DP004, not this promise.
            return probe.tensor(values[:batch])

        masks = probe.at.effort.pick(2, 3, 16)
        if not _repeats(probe.framework, layer, x, int(probe.rng.integers(2**31))):
            raise NotApplicable("the framework's seed does not fix the mask (see DP501)")
        for turn in range(masks):
            seed, batch = int(probe.rng.integers(2**31)), max(1, shape[0] - turn % 2)
            difference = probe.ask(Autograd).gradcheck(layer, x(batch), seed)
            if difference:
                return Seen(masks, (batch, *shape[1:]), difference, seed)
        return Seen(masks, shape)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where gradient and finite differences disagree."""
        if seen.difference:
            return Verdict.failed(seen.difference.rstrip(":., "), promised="the gradient of the same mask")
        return Verdict.passed(f"{seen.masks} masks agree with finite differences")

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Compare the gradient with one central difference for each element, by hand."""
        p = at.drop_prob
        script.layer(p)
        script.random(seen.shape)
        script.add(f"values = {script.array('x')}.ravel().copy()", "values[::3] = 0")
        script.from_array("values", seen.shape)
        script.add(script.seed(seen.seed))
        script.differentiate(p)
        script.add("gradient = gradient.ravel()")
        with script.under("for i in range(len(values)):"):
            script.add("total = []")
            with script.under("for step in (1e-6, -1e-6):"):
                script.add("moved = values.copy()", "moved[i] += step")
                script.from_array("moved", seen.shape)
                script.add(script.seed(seen.seed), f"total.append({script.array(script.call(p))}.sum())")
            script.add(
                "difference = (total[0] - total[1]) / 2e-6",
                "print(i, gradient[i], difference)",
                "assert abs(gradient[i] - difference) < 1e-3 * (1 + abs(difference))",
            )


def _repeats(framework: Framework, layer: Layer, x: Callable[[], Tensor], seed: int) -> bool:
    """Return whether a layer, seeded again, has the same mask again; finite differences of others show nothing.

    By calls that are seeded one by one, as those of the framework's check are, and by many seeds: of a layer that
    alternates between two masks, both may be alike for one.
    """

    def output(seed: int) -> npt.NDArray[np.uint8]:
        framework.seed(seed)
        return framework.bits(layer(x(), training=True))

    return all(np.array_equal(output(one), output(one)) for one in range(seed, seed + REPEATED))
