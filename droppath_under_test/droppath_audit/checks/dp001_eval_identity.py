"""DP001 eval-identity: in evaluation the output is x, bit for bit; for scaling=eval it is keep_prob times x.

What it checks
    In evaluation mode, for every dtype and drop_prob, the bytes of the output are the bytes of x: signed zeros,
    subnormals, infinities and NaN included. For scaling=eval every output lies in the hull of the roundings of
    keep_prob times x. A residual form returns shortcut plus that.
Why it matters
    A layer that still drops, scales or rounds in evaluation makes predictions random or shifts them, and no loss
    curve shows it.
How to fix
    Return x itself when the layer is not training or drop_prob is 0; make sure that the flag that is looked at is the
    module's own training flag.
Seen in
    Swin Transformer ports whose DropPath stays active in evaluation; tensornets issue 66.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.comparing import Compared
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate, special
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import rounding
from droppath_reference.law import evaluation_interval

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.scripts.script import Script

BATCH = 64
REPEATS = 4


class EvalIdentity(Check[Compared, Cell]):
    where = Cells()
    in_variants = Cells((0.3,), ("float32", "bfloat16"))
    recorded = Selection(lambda block: not block.training, "cell", "the recording has no calls in evaluation")
    mutants = (
        "active_in_evaluation",
        "scaled_in_evaluation",
        "NeverScales",
        "ScalesSquaredInEvaluation",
        "ScalesInTrainingOnly",
        "MultipliesInTraining",
    )

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A target without an evaluation mode promises nothing about it."""
        refused = super().applicable(facts, at)
        return refused or ("" if facts.evaluates else "the target has no evaluation mode (training=always)")

    def collect(self, probe: Probe[Cell]) -> Compared:
        """Compare evaluation outputs with x; special values only where they come back bit for bit."""
        scaled = probe.at.dialect.scaling == "eval"
        values = [moderate if scaled or repeat == 0 else special for repeat in range(REPEATS)]
        return probe.compare(*(Request(BATCH, draw, wide=True) for draw in values), training=False)

    def judge(self, seen: Compared, at: Cell, alpha: float) -> Verdict:
        """Fail on a single differing element."""
        if not seen.differing:
            return Verdict.passed(f"{seen.elements} of {seen.elements} elements as promised")
        scaled = at.dialect.scaling == "eval"
        promised = "keep_prob times x" if scaled else "y is x, bit for bit"
        if seen.became:
            return Verdict.failed(f"the output is {seen.became}", promised=promised)
        observed, hint = f"{seen.differing} of {seen.elements} elements differ", ""
        if seen.example is not None:
            x, y = seen.example
            digits = ".6g" if f"{x:.6g}" != f"{y:.6g}" else ".17g"
            observed += f", for example {x:{digits}} became {y:{digits}}"
            # Nearer to keep_prob than to 1, or to 1 / keep_prob.
            near = min(0.005 * at.keep_prob, 0.1 * at.drop_prob)
            if not scaled and x and 0 < at.keep_prob < 1 and abs(y / x - at.keep_prob) < near:
                hint = "this is what scaling=eval does; if the layer means that, add scaling=eval to the SPEC"
        return Verdict.failed(observed, promised=promised, hint=hint)

    def show(self, seen: Compared, at: Cell, script: Script) -> None:
        """Compare an evaluation output with x, or with the value that no random x has."""
        scaled = at.dialect.scaling == "eval"
        if not isinstance(script, LiveScript):
            added = rounding(at.dtype) if at.dialect.form == "residual" else 0  # the sum was rounded
            factor, tolerance = (f"{at.keep_prob!r} * ", 0.01) if scaled else ("", added)
            promised = f"{script.dropped} + {factor}xs"
            script.each(
                f"wrong = ~np.isclose(ys, {promised}, rtol={tolerance}, atol=0, equal_nan=True)",
                "print(wrong.sum(), 'of', wrong.size, 'elements differ')",
                "assert not wrong.any()",
                xs=True,
            )
            return
        x, y = seen.example or (1.0, 1.5)
        telling = scaled or not np.isfinite(x) or x == y
        shape = script.declared_shape(*((4, (3,)) if telling else (64, (12,))))
        if at.drop_prob < 1.0:
            script.layer(at.drop_prob)
            script.random(shape)
            script.add(f"{script.call(at.drop_prob)}  # a call in training comes first")
            script.switch(at.drop_prob, training=False)
        else:
            script.layer(at.drop_prob, training=False)
        if telling:
            script.literal([x] * prod(shape), shape)
        else:
            script.random(shape)
        script.run(at.drop_prob, training=False)
        x_or_sum = "shortcut + x" if script.invocation.takes_shortcut and not scaled else "x"
        script.add(f"ys, xs = {script.array('y')}, {script.array(f'({x_or_sum})')}", "print(xs, ys, sep='\\n')")
        if scaled:
            low, high = evaluation_interval(np.array(x), at.drop_prob, at.dtype, scaling="eval")
            script.add(f"assert (({float(low)!r} <= ys) & (ys <= {float(high)!r})).all()")
            return
        script.add("assert ys.tobytes() == xs.tobytes()")
        if not telling:
            # What was seen may need a value among the others that is not finite.
            script.literal([(x, np.nan, np.inf, -0.0)[number % 4] for number in range(prod(shape))], shape)
            script.run(at.drop_prob, training=False)
            script.add(f"assert {script.array('y')}.tobytes() == {script.array(f'({x_or_sum})')}.tobytes()")
