"""DP005 shape-dtype-device: the output has the shape, dtype and device of x, for every rank from 1 on.

What it checks
    In training and in evaluation, for inputs of rank 1 to 6, the output has exactly the shape, the dtype and the
    device of x. An input fixed by the SPEC is tried at several batch sizes instead.
Why it matters
    A mask of fixed rank broadcasts (16, 4) to (16, 1, 16, 4) without an error, and an output widened to float32
    silently turns the rest of a half-precision network into single precision.
How to fix
    Give the mask the shape (B, 1, 1, …) of x's own rank, and create it with x's dtype and device.
Seen in
    Four-dimensional masks of EfficientNet ports; vit-pytorch and mindcv, which return float32 for half precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.live import LiveProbe
from droppath_audit.scripts import LiveScript

if TYPE_CHECKING:
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

SHAPES = ((7,), (5, 3), (5, 3, 2), (5, 3, 4, 2), (3, 2, 1, 2, 2), (3, 1, 2, 1, 2, 2))
BATCHES = (1, 3, 16)
DROP_PROB = 0.3
RANKS = (4, 3, 2, 5, 6, 1)  # of which an input is suggested, the likeliest first


@dataclass(frozen=True)
class Changed:
    """A call whose output is another than promised: shape of x, mode, both in words."""

    shape: tuple[int, ...]
    training: bool
    promised: str
    found: str


@dataclass(frozen=True)
class Seen:
    """Calls, how many of them changed something, the first of these, and a shape of which no call changed anything."""

    calls: int
    changed: int
    first: Changed | None
    kept: tuple[int, ...] = ()


class ShapeDtypeDevice(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    judges_dtypes = True
    recorded = Selection(lambda _block: True, "dtype", "the recording is empty")
    mutants = ("mask_of_rank_four", "widened_to_float32")

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Run every shape in both modes; of a recording, whose shapes agree, look at the dtypes."""
        if isinstance(probe, LiveProbe):
            return _driven(probe)
        changed = [block for block in probe.at.blocks if block.output_dtype != block.dtype]
        wrong = [
            Changed(block.shape, block.training, f"{block.dtype}{list(block.shape)}",
                    f"{block.output_dtype}{list(block.shape)}")
            for block in changed[:1]
        ]  # fmt: skip
        calls = sum(block.calls for block in probe.at.blocks)
        return Seen(calls, sum(block.calls for block in changed), wrong[0] if wrong else None)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single call whose output differs in shape, dtype or device."""
        first = seen.first
        if first is None:
            return Verdict.passed(f"{seen.calls} of {seen.calls} calls keep shape, dtype and device")
        others = f"; {seen.changed} of {seen.calls} calls differ" if seen.changed > 1 else ""
        mode = "training" if first.training else "evaluation"
        hint = ""
        if seen.kept and len(first.shape) != len(seen.kept):
            sizes = ",".join(map(str, seen.kept[1:]))
            hint = f"if other ranks are not meant to be taken, add input=B{',' * bool(sizes)}{sizes} to the SPEC"
        return Verdict.failed(f"{first.found} in {mode}{others}", promised=first.promised, hint=hint)

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Make the first call that changed something."""
        if isinstance(script, LiveScript) and seen.first is not None:
            script.plain(DROP_PROB, seen.first.shape, training=seen.first.training)
            script.same_info()
        else:
            script.same_dtype(DROP_PROB)


def _driven(probe: LiveProbe[DtypeCase]) -> Seen:
    """Run every shape in both modes."""
    layer, framework, fixed = probe.make(DROP_PROB), probe.framework, probe.target.fixed_shape
    shapes = [(batch, *fixed[1:]) for batch in BATCHES] if fixed else list(SHAPES)
    shapes = [shape for shape in shapes if probe.target.can_be_given(shape)]
    wrong: list[Changed] = []
    kept: list[tuple[int, ...]] = []
    for shape in shapes:
        before = len(wrong)
        x = probe.ones(shape)
        promised = str(framework.info(x))
        for training in probe.modes:
            try:
                found = str(framework.info(layer(x, training=training)))
            except (TargetRaised, TypeError) as error:
                found = str(error)
            if found != promised:
                wrong.append(Changed(shape, training, promised, found))
        if len(wrong) == before and not fixed:
            kept.append(shape)
    likeliest = min(kept, key=lambda shape: RANKS.index(len(shape)), default=())
    return Seen(len(shapes) * len(probe.modes), len(wrong), wrong[0] if wrong else None, likeliest)
