"""DP501 reproducible: the framework's seed fixes the masks, and another seed gives others.

What it checks
    The framework is seeded and the layer called a few times, twice over: the outputs agree. With another seed they
    differ. The generators of Python and NumPy are left where they are.
Why it matters
    A run that cannot be repeated cannot be debugged; under activation checkpointing, where only the framework's state
    is restored, the recomputed mask is another one and gradients are silently wrong.
How to fix
    Draw with the framework's own functions, not with random or numpy.random, and without a generator of your own that
    has a constant seed.
Seen in
    Layers that decide with random.random(); 100 of 200 masks differ under checkpointing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

# 256 decisions at drop_prob 0.5: two seeds agree by chance once in 2^256.
DECISIONS, DROP_PROB = 256, 0.5
CALLS = 64  # so many at least, where what was declared as decisions a sample is one a batch


@dataclass(frozen=True)
class Seen:
    """Decisions of a run, and those that differ in another run with the same seed and with another seed."""

    decisions: int
    differ_with_one_seed: int
    differ_with_two_seeds: int


class Reproducible(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # the dtype has no part in where random numbers come from
    in_variants = Dtypes(("float32",))
    driven = "it must be seeded, and called again"
    mutants = ("draws_from_numpy", "draws_from_python", "generator_of_its_own", "reseeds_every_call")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare the masks of two runs with one seed, and of a run with another."""
        first, second = (int(seed) for seed in probe.rng.integers(2**32, size=2))
        masks, again, other = (_masks(probe, seed) for seed in (first, first, second))
        return Seen(masks.size, int(np.count_nonzero(masks != again)), int(np.count_nonzero(masks != other)))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where one seed gives two masks, or two seeds one."""
        total, differing = seen.decisions, seen.differ_with_one_seed
        promised = "the framework's seed decides the masks"
        if differing:
            observed = f"{differing} of {total} decisions differ between two runs with one seed"
            return Verdict.failed(observed, promised=promised)
        if not seen.differ_with_two_seeds:
            return Verdict.failed(f"two seeds give the same {total} decisions", promised=promised)
        return Verdict.passed(f"{total} of {total} decisions repeated, and others with another seed")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Compare masks of two runs."""
        repeatable = not seen.differ_with_one_seed
        batch, calls = (1, DECISIONS) if at.per_call else (DECISIONS // CALLS, CALLS)
        script.ones(script.shape(batch))
        script.add("masks = []")
        with script.under(f"for seed in {(0, 1) if repeatable else (0, 0)}:"):
            script.layer(DROP_PROB)
            mask = f"({script.array(script.call(DROP_PROB))} != 0).tolist()"
            script.add(script.seed("seed"), f"masks.append([{mask} for _ in range({calls})])")
        script.add(
            "print('same masks:', masks[0] == masks[1])",
            f"assert masks[0] {'!=' if repeatable else '=='} masks[1]",
        )


def _masks(probe: LiveProbe[DtypeCase], seed: int) -> npt.NDArray[np.bool_]:
    batch, calls = (1, DECISIONS) if probe.at.per_call else (DECISIONS // CALLS, CALLS)
    framework, layer, shape = probe.framework, probe.make(DROP_PROB), probe.shape(batch)
    framework.seed(seed)
    outputs = [layer(probe.ones(shape), training=True) for _ in range(calls)]
    return np.stack([framework.kept(output, batch) for output in outputs])
