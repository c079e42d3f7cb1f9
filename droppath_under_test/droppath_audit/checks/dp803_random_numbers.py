"""DP803 random-numbers: no more random numbers are consumed than decisions are made.

What it checks
    Every random number that a training call draws from the framework's generators in the calling thread, counted on
    its tape: one a sample is what a mask costs (one a call, one an element, where that is the granularity).
Why it matters
    A mask of full size costs as many random numbers as x has elements, which on an accelerator is more than the
    multiplication, and a buffer of that size beside it.
How to fix
    Draw a tensor of shape (B, 1, 1, …), once.
Seen in
    Layers that draw a number for every element and look at the first of each sample; layers that draw a mask and
    then draw it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Cells
from droppath_audit.core.level import Level
from droppath_audit.core.mask_law import NO_DRAW
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Taped

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 16


@dataclass(frozen=True)
class Drawn:
    """A draw in words, and the shape drawn."""

    draw: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """The shape of x, and every draw."""

    shape: tuple[int, ...]
    draws: tuple[Drawn, ...]

    @property
    def numbers(self) -> int:
        """Random numbers drawn."""
        return sum(prod(draw.shape) for draw in self.draws)


class RandomNumbers(Check[Seen, Cell]):
    level = Level.INFO
    where = Cells((0.5,), ("float32",))  # the dtype has no part in how many numbers are drawn
    driven = "its generator must be watched while it runs"
    needs = (Taped,)
    mutants = ("mask_of_full_size", "draws_the_mask_twice", "draws_a_whole_buffer")

    def collect(self, probe: LiveProbe[Cell]) -> Seen:
        """Record the draws of one call."""
        tape, shape = probe.ask(Taped).tape(), probe.shape(BATCH, wide=True)
        layer, x = probe.make(), probe.ones(shape)
        with tape.record(values=False) as draws:
            layer(x, training=True)
        if not draws:
            raise NotApplicable(f"{NO_DRAW} {probe.framework.name}")
        return Seen(shape, tuple(Drawn(draw.describe(), draw.shape) for draw in draws))

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Compare random numbers with decisions."""
        needed, numbers = _decisions(seen, at), seen.numbers
        calls = ", ".join(f"{drawn.draw} of shape {list(drawn.shape)}" for drawn in seen.draws)
        share = numbers / seen.shape[0]
        observed = f"{share:.6g} random numbers a sample, {numbers} for {needed} decisions ({calls})"
        if numbers > needed:
            promised = f"at most {needed} random numbers for x of shape {list(seen.shape)}"
            return Verdict.failed(observed, promised=promised)
        return Verdict.passed(observed)

    def show(self, seen: Seen, at: Cell, script: LiveScript) -> None:
        """Count what a call draws."""
        script.layer(at.drop_prob)
        script.ones(seen.shape)
        script.hold_key()
        script.add(*script.spell.feed("None"))
        with script.under("with feed:"):
            script.run(at.drop_prob)
        script.add(
            "print('random numbers drawn, by call:', feed.drawn)",
            f"assert sum(feed.drawn) <= {_decisions(seen, at)}",
        )


def _decisions(seen: Seen, at: Cell) -> int:
    """Return the decisions that the call had to make."""
    return {"sample": seen.shape[0], "batch": 1, "element": prod(seen.shape)}[at.dialect.granularity]
