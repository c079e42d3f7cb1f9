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
from droppath_audit.core.errors import ChangedShape, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.admission import REFUSALS
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.scripts.script import Script

BATCHES = (1, 2, 16)
PROMISED = "all zeros"


@dataclass(frozen=True)
class Seen:
    """Elements of the outputs for finite x: all, NaN, other than zero; what x and output were; the first such batch.

    ``refusal`` is with what it refuses, where it does.
    """

    elements: int
    nan: int
    nonzero: int
    became: tuple[str, ...]
    batch: int = 4
    refusal: str = ""


class KeepProbZero(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    judges_refusal = True
    recorded = Selection(
        lambda block: block.training and block.drop_prob == 1.0,
        "dtype",
        "the recording has no calls in training at drop_prob = 1",
    )
    mutants = ("floor_mask", "identity_at_keep_prob_zero", "clamps_keep_prob")

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """A target that declares to refuse keep_prob = 0 is held to that by DP306."""
        if facts.dialect.keep_prob_zero == "raises":
            return "the target declares that it refuses keep_prob = 0 (see DP306)"
        taken = [dtype for dtype in facts.devices[at.device] if dtype not in facts.refused]
        first = "float32" if "float32" in taken else taken[0]
        again = facts.refuses_keep_prob_zero and at.dtype != first
        return f"the target refuses keep_prob = 0 (see DP301 in {first})" if again else ""

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Look at every element of a few small batches."""
        elements = nan = nonzero = 0
        batch = Seen.batch
        became = {}
        if isinstance(probe, LiveProbe) and (refusal := _refusal(probe)):
            return Seen(0, 0, 0, (), refusal=refusal)
        try:
            for calls in probe.calls(*(Request(batch, moderate, wide=True) for batch in BATCHES), drop_prob=1.0):
                finite = np.isfinite(calls.x)
                elements += int(np.count_nonzero(finite))
                wrong = finite & (calls.y != calls.base) & ~(np.isnan(calls.base) & np.isnan(calls.y))
                if wrong.any() and not nan + nonzero:
                    batch = calls.shape[0]
                nan += int(np.count_nonzero(np.isnan(calls.y) & ~np.isnan(calls.base) & finite))
                nonzero += int(np.count_nonzero((calls.y != calls.base) & ~np.isnan(calls.y) & finite))
                if calls.output_dtype != calls.dtype:
                    became[f"{calls.dtype} became {calls.output_dtype}"] = True
        except ChangedShape as error:
            return Seen(elements, nan, nonzero, (error.became,), error.batch)
        return Seen(elements, nan, nonzero, tuple(became), batch)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single element that is not zero."""
        if seen.refusal:
            hint = "if keep_prob = 0 is to be refused, by ValueError, add keep_prob_zero=raises to the SPEC"
            return Verdict.failed(f"raises {seen.refusal}", promised=PROMISED, hint=hint)
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
        if seen.refusal and isinstance(script, LiveScript):
            with script.must_not_raise("it refuses keep_prob = 0"):
                script.plain(1.0, script.shape(seen.batch))
        elif seen.nan or seen.nonzero:
            zero = f"assert (ys == {script.dropped})[np.broadcast_to(np.isfinite(xs), ys.shape)].all()"
            shape = script.shape(seen.batch)
            script.each("print(ys)", zero, drop_prob=1.0, shape=shape, random=True, xs=True)
        else:
            script.same_dtype(1.0, seen.batch)


def _refusal(probe: LiveProbe[DtypeCase]) -> str:
    """Return with what a target that was seen to refuse keep_prob = 0 does so."""
    if probe.target.dialect.keep_prob_zero != "raises":
        return ""
    try:
        probe.make(1.0)(probe.ones(probe.shape(1)), training=True)
    except TargetRaised as error:
        return str(error) if error.as_one_of(*REFUSALS) in REFUSALS else ""
    return ""
