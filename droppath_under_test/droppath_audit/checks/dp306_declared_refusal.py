"""DP306 declared-refusal: a target that declares keep_prob_zero=raises raises ValueError there, and only there.

What it checks
    Where the dialect says keep_prob_zero=raises, the constructor or the first training call at drop_prob 1 raises
    ValueError, in every dtype, and drop_prob 0.999 is accepted by both. This takes the place of DP301 and DP302.
Why it matters
    A refusal is a legitimate answer to keep_prob = 0, if it can be relied upon: callers catch ValueError, and a
    schedule that ends at 0.999 must still run.
How to fix
    Compare drop_prob with 1 where the layer is constructed or first called, and raise ValueError with the value.
Seen in
    mindcv, whose dropout accepts a keep_prob in (0, 1] alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 2
ACCEPTED = 0.999


@dataclass(frozen=True)
class Seen:
    """The kind of exception at keep_prob = 0, and next to it; empty where there was none."""

    refused: str
    accepted: str


class DeclaredRefusal(Check[Seen, DtypeCase]):
    judges_refusal = True
    where = Dtypes()
    driven = "it must be asked for what it declares to refuse"
    mutants = ("asserts_instead_of_refusing", "refuses_too_early")

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """Only a declared refusal is looked for."""
        return "" if facts.dialect.keep_prob_zero == "raises" else "the target does not declare keep_prob_zero=raises"

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Construct and call the target at keep_prob = 0 and next to it."""
        x = probe.ones(probe.shape(BATCH, wide=True))

        def raised(drop_prob: float) -> str:
            try:
                probe.make(drop_prob)(x, training=True)
            except TargetRaised as error:
                return error.as_one_of("ValueError")
            return ""

        return Seen(raised(1.0), raised(ACCEPTED))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on another exception, on none, and on one that comes too early."""
        if seen.refused != "ValueError":
            observed = f"{seen.refused or 'no exception'} at keep_prob = 0"
            return Verdict.failed(observed, promised="ValueError, as the target declares")
        if seen.accepted:
            return Verdict.failed(f"{seen.accepted} at drop_prob {ACCEPTED}", promised="a refusal of 1 alone")
        return Verdict.passed("ValueError at keep_prob = 0, and only there")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Expect the refusal, or that it does not come too early."""
        if seen.refused == "ValueError":
            with script.must_not_raise("refused too early"):
                script.plain(ACCEPTED, script.shape(BATCH))
            return
        with script.under("try:"):
            script.plain(1.0, script.shape(BATCH))
        script.add(
            "except ValueError:",
            "    print('refused, as declared')",
            "except Exception as error:",
            "    raise AssertionError('not a ValueError') from error",
        )
        if not seen.refused:
            script.add("else:", "    raise AssertionError('there is no exception at keep_prob = 0')")
