"""DP002 zero-drop-identity: with drop_prob = 0 in training the output is x, bit for bit, in every dtype.

What it checks
    A million samples pass through the layer at drop_prob = 0 in training mode; the bytes of every output are those
    of x. Many samples, because the faults are rare: a rule r <= drop_prob drops at r = 0, and floor(1 + r) doubles
    a sample where r rounds up to 1.
Why it matters
    Blocks whose rate is 0 stand at the start of every linear schedule; a few wrong samples in thousands there are
    noise that nobody asked for, and in half precision it is one sample in 256.
How to fix
    Return x when drop_prob is 0, before any random number is drawn.
Seen in
    EfficientNet-PyTorch's drop_connect, which doubles one row in 256 in bfloat16 at drop_prob = 0; boltz issue 553.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.comparing import Compared
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts.script import rounding

if TYPE_CHECKING:
    from droppath_audit.scripts.script import Script

BATCH = 65_536
PROMISED = "y is x, bit for bit"


class ZeroDropIdentity(Check[Compared, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    recorded = Selection(
        lambda block: block.training and block.drop_prob == 0.0,
        "dtype",
        "the recording has no calls in training at drop_prob = 0",
    )
    mutants = ("floor_without_shortcut", "drops_at_zero_uniform")

    def collect(self, probe: Probe[DtypeCase]) -> Compared:
        """Compare outputs with x, byte by byte."""
        features = probe.features() if isinstance(probe, LiveProbe) else ()
        # Where a batch is one decision, small ones see most.
        batch = 1 if probe.at.per_call else max(1, BATCH // max(1, prod(features)))
        calls = probe.at.effort.pick(4, 16, 64) * (64 if batch == 1 else 1)
        return probe.compare(Request(batch, moderate, calls), training=True, drop_prob=0.0)

    def judge(self, seen: Compared, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single differing element."""
        if not seen.differing:
            return Verdict.passed(f"{seen.elements} of {seen.elements} elements unchanged")
        if seen.became:
            return Verdict.failed(f"the output is {seen.became}", promised=PROMISED)
        observed = f"{seen.differing} of {seen.elements} elements differ"
        if seen.example is not None:
            x, y = seen.example
            observed += f", for example {x:.6g} became {y:.6g}"
        return Verdict.failed(observed, promised=PROMISED)

    def show(self, seen: Compared, at: DtypeCase, script: Script) -> None:
        """Compare as many samples as the trial did with x."""
        if seen.became:
            script.same_dtype(0.0)
            return
        rtol = rounding(at.dtype) if at.dialect.form == "residual" else 0  # the sum was rounded
        script.each(
            f"wrong = ~np.isclose(ys, {script.dropped} + xs, rtol={rtol!r}, atol=0, equal_nan=True)",
            "print(wrong.sum(), 'of', wrong.size, 'elements differ')",
            "assert not wrong.any()",
            drop_prob=0.0,
            shape=script.shape(2**20),
            xs=True,
        )
