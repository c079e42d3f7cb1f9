"""DP707 graphs: each replay of a recorded graph draws a mask of its own, by the law.

What it checks
    On every device that is asked for, the CPU apart: a call in training, and one in evaluation, is recorded as the
    device's work (a CUDA graph) and replayed. No two replays may have the same mask, the share that is kept over all of
    them must be the one that was asked for, by an exact test, every element must be that of a kept or a dropped sample,
    and evaluation must return x. What the framework cannot record is not applicable, with its reason.
Why it matters
    A graph replays what the device did, and no line of Python runs again. A number that was drawn outside of the
    recording, a seed that was fixed in it or a generator that was not told of it leaves one mask for a whole training.
How to fix
    Draw inside of the call with the framework's own generator of x's device, and hand over no generator that was not
    registered with the graph.
Seen in
    Layers that seed a generator of their own from a counter in Python, which counts once for all replays, and pools of
    masks that Python refills.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.replaying import Replaying
from droppath_audit.fuzz.oracle import Asked, Violation, output_violations
from droppath_audit.probes.values import moderate
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_binomial
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, BATCH, REPLAYS = 0.5, 128, 64  # two masks of so many samples are alike by chance once in 2^128
BITS = 64  # decisions from which on masks that are alike are no chance


@dataclass(frozen=True)
class Seen:
    """What came of the replays.

    Attributes:
        alike: The numbers, from 1, of a replay and of the first after it that has its mask; empty where none has.
        kept: Decisions that kept,
        decisions: of so many.
        wrong: What is wrong with the values of a replay; empty where nothing is.
        training: Whether that was a call in training.
        features: Of a sample.
        refused: Why a call in evaluation was not recorded; empty where it was.
    """

    alike: tuple[int, ...]
    kept: int
    decisions: int
    wrong: str
    training: bool
    features: tuple[int, ...]
    refused: str = ""


class Graphs(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float32",))  # the dtype has no part in how work is recorded
    driven = "its calls must be recorded and replayed"
    needs = (Replaying,)
    away = True
    mutants = ()

    def design(self, at: DtypeCase, alpha: float) -> Design:
        """Return the difference from the keep probability that is seen."""
        decisions = _replays(at) * (1 if at.per_call else BATCH)
        return Design(
            detectable_binomial(decisions, 1.0 - DROP_PROB, alpha, BETA), "keep probability in replays", decisions
        )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Record, and replay."""
        framework, features = probe.framework, probe.features(wide=True)
        layer, batch = probe.make(DROP_PROB), BATCH
        x = probe.tensor(moderate(probe.rng, (batch, *features), probe.dtype))
        asked = Asked(x, framework.numpy(x), framework.bits(x))
        met, alike, kept, decisions = dict[bytes, int](), tuple[int, ...](), 0, 0
        replay = probe.ask(Replaying).recorded(layer, x, training=True)
        for number in range(1, _replays(probe.at) + 1):
            y = replay()
            if found := output_violations(probe.target, asked, y, DROP_PROB, training=True):
                return Seen((), kept, decisions, _told(found), True, features)
            mask = framework.kept(y, batch)[: 1 if probe.at.per_call else batch]
            earlier = met.setdefault(np.packbits(mask).tobytes(), number)
            if mask.size >= BITS and earlier < number and not alike:
                alike = (earlier, number)
            kept, decisions = kept + int(mask.sum()), decisions + mask.size
        wrong, refused = "", ""
        if probe.target.evaluates:
            try:
                y = probe.ask(Replaying).recorded(layer, x, training=False)()
                wrong = _told(output_violations(probe.target, asked, y, DROP_PROB, training=False))
            except NotApplicable as error:
                refused = str(error)
        return Seen(alike, kept, decisions, wrong, False, features, refused)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where a replay has wrong values or the mask of another, at once, or keeps another share."""
        if seen.wrong:
            mode = "training" if seen.training else "evaluation"
            return Verdict.failed(f"in a replay of {mode}: {seen.wrong}", promised="what a call returns")
        if seen.alike:
            return Verdict.failed(
                f"replay {seen.alike[1]} has the mask of replay {seen.alike[0]}, of {BATCH} samples",
                promised="a mask of its own",
            )
        p_value = binomial_test(seen.kept, seen.decisions, 1.0 - DROP_PROB)
        observed = f"{seen.kept} of {seen.decisions} kept in replays, p = {p_value:.2g}"
        if p_value <= alpha:
            return Verdict.failed(observed, promised=f"{1.0 - DROP_PROB:g} of them", p_value=p_value)
        return Verdict.passed(observed + (f"; evaluation: {seen.refused}" if seen.refused else ""), p_value=p_value)

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Record, replay and compare."""
        training = not seen.wrong or seen.training
        script.layer(DROP_PROB, training=training)
        script.ones((BATCH, *seen.features))
        script.add("masks = []", *script.spell.replayed(script.call(DROP_PROB, training=training)).splitlines())
        with script.under(f"for _ in range({max(REPLAYS, *seen.alike, 0)}):"):
            script.add("replay()", f"masks.append({script.array('y')} != {script.dropped})")
        if not training:
            script.add("assert np.array(masks).all(), 'evaluation drops'")
            return
        script.add(
            "print('kept:', np.mean(masks))",
            "assert len({mask.tobytes() for mask in masks}) == len(masks), 'two replays have one mask'",
            f"assert abs(np.mean(masks) - {1.0 - DROP_PROB}) < 0.05",
        )


def _replays(at: DtypeCase) -> int:
    """Return how often a graph is replayed."""
    return at.effort.pick(REPLAYS, 8 * REPLAYS, 64 * REPLAYS)


def _told(found: list[Violation]) -> str:
    return found[0].text if found else ""
