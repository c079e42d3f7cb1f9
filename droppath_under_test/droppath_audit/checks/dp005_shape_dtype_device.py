"""DP005 shape-dtype-device: the output has the shape, dtype and device of x, for every rank from 1 on.

What it checks
    In training, also where all samples are dropped, and in evaluation, for inputs of rank 1 to 6, the output has
    exactly the shape, the dtype and the device of x. An input fixed by the SPEC is tried at several batch sizes
    instead.
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
from droppath_audit.core.output import NUMBER
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Compiling, has
from droppath_audit.probes.live import LiveProbe
from droppath_audit.scripts import LiveScript

if TYPE_CHECKING:
    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

SHAPES = ((7,), (5, 3), (5, 3, 2), (5, 3, 4, 2), (3, 2, 1, 2, 2), (3, 1, 2, 1, 2, 2))
BATCHES = (1, 3, 16)
DROP_PROB = 0.3
NEARLY_ONE = 0.999  # a drop_prob at which a call drops all samples, but for once in sixty of the largest batch
NUMBERS = "where nothing is kept, zeros like x are to come back: a sum with them has the dtype and the graph of x"
RANKS = (4, 3, 2, 5, 6, 1)  # of which an input is suggested, the likeliest first


@dataclass(frozen=True)
class Changed:
    """A call whose output is another than promised: drop_prob, shape of x, mode, both in words."""

    drop_prob: float
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
            Changed(DROP_PROB, block.shape, block.training, f"{block.dtype}{list(block.shape)}",
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
        mode += f" at drop_prob {first.drop_prob:g}" if first.drop_prob != DROP_PROB else ""
        hint = NUMBERS if first.found.endswith("not a tensor") else ""
        if seen.kept and len(first.shape) != len(seen.kept):
            sizes = ",".join(map(str, seen.kept[1:]))
            hint = f"if other ranks are not meant to be taken, add input=B{',' * bool(sizes)}{sizes} to the SPEC"
        return Verdict.failed(f"{first.found} in {mode}{others}", promised=first.promised, hint=hint)

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Make the first call that changed something."""
        if isinstance(script, LiveScript) and seen.first is not None:
            script.plain(seen.first.drop_prob, seen.first.shape, training=seen.first.training)
            script.same_info()
        else:
            script.same_dtype(DROP_PROB)


def _driven(probe: LiveProbe[DtypeCase]) -> Seen:
    """Run every shape in both modes."""
    framework, fixed = probe.framework, probe.target.fixed_shape
    # Here a number is none, whatever else takes it for a tensor.
    target = probe.target.prepared(output=None) if probe.target.output == NUMBER else probe.target
    layer, dropping = target.make(DROP_PROB), target.make(NEARLY_ONE)
    asked = [*((layer, DROP_PROB, training) for training in probe.modes), (dropping, NEARLY_ONE, True)]
    compiling = has(framework, Compiling)
    shapes = [(batch, *fixed[1:]) for batch in BATCHES] if fixed else list(SHAPES)
    shapes = [shape for shape in shapes if probe.target.can_be_given(shape)]
    wrong: list[Changed] = []
    kept: list[tuple[int, ...]] = []
    calls = 0
    for shape in shapes:
        before = len(wrong)
        x = probe.ones(shape)
        promised = str(framework.info(x))
        for one, drop_prob, training in asked:
            if one is dropping and compiling is not None and compiling.tried():
                continue  # each drop_prob of a rank is another program, whose compilation takes long
            try:
                found = str(framework.info(one(x, training=training)))
            except (TargetRaised, TypeError) as error:
                if one is dropping and isinstance(error, TargetRaised):
                    continue  # which rates are taken is said elsewhere
                found = str(error)
            calls += 1
            if found != promised:
                wrong.append(Changed(drop_prob, shape, training, promised, found))
        if len(wrong) == before and not fixed:
            kept.append(shape)
    likeliest = min(kept, key=lambda shape: RANKS.index(len(shape)), default=())
    return Seen(calls, len(wrong), wrong[0] if wrong else None, likeliest)
