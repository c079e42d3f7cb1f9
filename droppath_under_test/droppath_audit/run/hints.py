"""Hints: what findings suggest together, where each of them alone suggests something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from droppath_audit.core.invocation import Invocation
from droppath_audit.core.result import BAD
from droppath_audit.core.verdict import SWAPPED, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result

RATES = ("DP102", "DP103")
NEAR = 0.01  # to 1/2
UNSCALED, OF_THE_PAPER = "scaling=none", "scaling=eval"


def agreed(results: Sequence[Result], facts: Facts) -> tuple[Result, ...]:
    """Return the results with hints that do not contradict each other.

    A layer that scales in evaluation leaves training unscaled: both findings are one dialect. Where calls
    have shown that something else may be meant, that is the first thing to try, and every other hint waits for it.
    """
    said = {item for result in results for item in (UNSCALED, OF_THE_PAPER) if f"add {item} " in result.verdict.hint}
    exchanged = _swapped_throughout(results)
    found = []
    for result in results:
        hint = result.verdict.hint if exchanged or result.verdict.hint != SWAPPED else ""
        if said == {UNSCALED, OF_THE_PAPER} and f"add {UNSCALED} " in hint:
            hint = "kept values are not scaled, and evaluation is: if both are meant, add scaling=eval to the SPEC"
        if hint == SWAPPED:
            hint += _exchanged(facts.invocation)
        if facts.hint and result.verdict.outcome in BAD:
            hint = facts.hint
        found.append(replace(result, verdict=replace(result.verdict, hint=hint)))
    return tuple(found)


def _swapped_throughout(results: Sequence[Result]) -> bool:
    """Return whether the rate looks swapped wherever it was asked for and would tell: never to drop looks so near 1."""
    told = [
        result.verdict.hint == SWAPPED
        for result in results
        if result.trial.check in RATES
        and result.outcome in (*BAD, Outcome.PASS)
        and NEAR < abs(getattr(result.trial.case, "drop_prob", 0.5) - 0.5) < 0.5  # at 1/2 and at the ends none tells
    ]
    return all(told)


def _exchanged(invocation: object) -> str:
    """Return the item that reads the probability in the other way; empty where no argument of the target is one."""
    if not isinstance(invocation, Invocation):
        return ""
    arguments = (*invocation.init, *invocation.call)
    names = [argument.keyword for argument in arguments if argument.role == "p" and argument.keyword]
    name = next(iter(names), invocation.attribute)
    meant = "drop" if invocation.keep else "keep"
    return f": if {name} is the {meant} probability, add prob={name}:{meant} to the SPEC" if name else ""
