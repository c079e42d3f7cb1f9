"""DP009 integer-input: integers and truth values are refused clearly, or come back as zero and x/keep_prob.

What it checks
    int64, int32, uint8 and bool tensors of threes (of True) pass through a training call at drop_prob 0.3. The call
    raises TypeError, ValueError or RuntimeError with a message, or every output is 0 or what a kept 3 is, to one
    percent. Integers that come back truncated are neither.
Why it matters
    Masks, token numbers and quantised activations are integers. A layer that scales 3 to 4.28 and returns 4 changes the
    mean that DropPath exists to preserve.
How to fix
    Raise TypeError for a dtype that cannot hold x/keep_prob, as the reference does, or return a floating dtype.
Seen in
    Nothing that is known by name; in-place division raises in torch, and converting back to x's dtype truncates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Once
from droppath_audit.core.level import Level
from droppath_audit.core.refusals import CLEAR, Refusal
from droppath_audit.core.verdict import Verdict
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 64
DROP_PROB = 0.3
DTYPES = ("int64", "int32", "uint8", "bool")


@dataclass(frozen=True)
class Reply:
    """What came of one dtype.

    Attributes:
        dtype: The dtype.
        refusal: What was raised, if anything.
        became: Reply of the output; empty where there is none.
        wrong: A value that is neither 0 nor what a kept one is, if there is one.
    """

    dtype: str
    refusal: Refusal | None = None
    became: str = ""
    wrong: float | None = None

    @property
    def bad(self) -> bool:
        """Whether a value is wrong, or the refusal is unclear."""
        return self.wrong is not None or (self.refusal is not None and not self.refusal.clear)


@dataclass(frozen=True)
class Seen:
    """The outcome for every dtype."""

    outcomes: tuple[Reply, ...]


class IntegerInput(Check[Seen, Case]):
    level = Level.INFO
    where = Once()  # it walks over the dtypes
    driven = "it must be called on integers, which a recording does not hold"
    mutants = ("truncates_integers",)

    def collect(self, probe: LiveProbe[Case]) -> Seen:
        """Call the target with each dtype and note what comes back."""
        framework, shape = probe.framework, probe.shape(BATCH)
        outcomes = []
        for dtype in DTYPES:
            x, kept = probe.tensor(np.full(shape, 3.0), dtype), _kept(dtype, probe.at)
            try:
                y = probe.make(DROP_PROB)(x, training=True)
            except TargetRaised as error:
                outcomes.append(Reply(dtype, Refusal(error.as_one_of(*CLEAR), error.text)))
                continue
            values = framework.numpy(y)
            wrong = values[(values != 0) & (abs(values - kept) > 0.01 * kept)]
            first = float(wrong[0]) if wrong.size else None
            outcomes.append(Reply(dtype, became=framework.info(y).dtype, wrong=first))
        return Seen(tuple(outcomes))

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Say for each dtype what happens; fail on a wrong value or an unclear exception."""
        observed = "; ".join(f"{outcome.dtype}: {_words(outcome, at)}" for outcome in seen.outcomes)
        if any(outcome.bad for outcome in seen.outcomes):
            return Verdict.failed(observed)
        return Verdict.passed(observed)

    def show(self, seen: Seen, at: Case, script: LiveScript) -> None:
        """Call it with the first dtype for which a value is wrong or an exception unclear."""
        first = next(outcome for outcome in seen.outcomes if outcome.bad)
        kept = _kept(first.dtype, at)
        script.layer(DROP_PROB)
        script.ones(script.shape(BATCH), first.dtype)
        if first.dtype != "bool":
            script.add("x = 3 * x")
        with script.under("try:"):
            script.add(f"y = {script.array(script.call(DROP_PROB))}")
        script.refused_clearly()
        with script.under("else:"):
            script.add("print(np.unique(y))", f"assert ((y == 0) | (abs(y - {kept!r}) <= {0.01 * kept!r})).all()")


def _kept(dtype: str, at: Case) -> float:
    """Return what a kept 3 is; True counts as 1."""
    return multiplier(DROP_PROB, at.dialect.scaling) * (1.0 if dtype == "bool" else 3.0)


def _words(outcome: Reply, at: Case) -> str:
    if outcome.refusal is not None:
        kind, text = outcome.refusal.kind, outcome.refusal.text
        return kind if kind in CLEAR else f"{kind} ({text})"
    if outcome.wrong is not None:
        return f"{outcome.wrong!r} where {_kept(outcome.dtype, at):.4g} was due"
    return f"becomes {outcome.became}"
