"""DP301 keep-prob-zero: with keep_prob = 0, training output is all zeros, finite, of x's shape and dtype.

What it checks
    At drop_prob = 1, in every dtype and on every device, batches of 1, 2 and 16 samples of random x come back as
    zeros of the same shape and dtype.
Why it matters
    x/0 times 0 is NaN: one block with drop_prob = 1 turns the whole network's output, and then all its weights,
    into NaN. Schedules and searches reach 1 sooner than one thinks.
How to fix
    Skip the division when keep_prob is 0, or select with where instead of multiplying.
Seen in
    transformers (44 identical classes), mmcv, EfficientNet-PyTorch, Paddle's layers: x.div(0) times a mask of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import ChangedShape
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.scripts.script import Script

BATCHES = (1, 2, 16)
PROMISED = "all zeros"


@dataclass(frozen=True)
class Seen:
    """Elements of the outputs for finite x: all, NaN, other than zero; what x and the output were; in which batch."""

    elements: int
    nan: int
    nonzero: int
    became: tuple[str, ...]
    batch: int = 4


class KeepProbZero(Check[Seen, DtypeCase]):
    where = Dtypes()
    recorded = Selection(
        lambda block: block.training and block.drop_prob == 1.0,
        "dtype",
        "the recording has no calls in training at drop_prob = 1",
    )
    mutants = ("floor_mask", "identity_at_keep_prob_zero", "clamps_keep_prob")

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """A target that declares to refuse keep_prob = 0 is held to that by DP306."""
        refuses = facts.dialect.keep_prob_zero == "raises"
        return "the target declares that it refuses keep_prob = 0 (see DP306)" if refuses else ""

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Look at every element of a few small batches."""
        elements = nan = nonzero = 0
        became = {}
        try:
            for calls in probe.calls(*(Request(batch, moderate, wide=True) for batch in BATCHES), drop_prob=1.0):
                finite = np.isfinite(calls.x)
                elements += int(np.count_nonzero(finite))
                nan += int(np.count_nonzero(np.isnan(calls.y) & ~np.isnan(calls.base) & finite))
                nonzero += int(np.count_nonzero((calls.y != calls.base) & ~np.isnan(calls.y) & finite))
                if calls.output_dtype != calls.dtype:
                    became[f"{calls.dtype} became {calls.output_dtype}"] = True
        except ChangedShape as error:
            return Seen(elements, nan, nonzero, (error.became,), error.batch)
        return Seen(elements, nan, nonzero, tuple(became))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single element that is not zero."""
        observed = []
        if seen.nan:
            observed.append(f"NaN in {seen.nan} of {seen.elements} values")
        if seen.nonzero:
            observed.append(f"{seen.nonzero} of {seen.elements} values are not zero")
        observed += seen.became
        if observed:
            return Verdict.failed(", ".join(observed), promised=PROMISED)
        return Verdict.passed(f"{seen.elements} of {seen.elements} values are zero")

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Print outputs at drop_prob = 1, or their dtype."""
        if seen.nan or seen.nonzero:
            zero = f"assert (ys == {script.dropped})[np.broadcast_to(np.isfinite(xs), ys.shape)].all()"
            script.each("print(ys)", zero, drop_prob=1.0, random=True, xs=True)
        else:
            script.same_dtype(1.0, seen.batch)
